//! What SIGHUP reads anew, while the server runs on.

type Reload = Box<dyn Fn() -> Result<(), Box<dyn std::error::Error>>>;

/// The parts of the configuration that are read anew, each by its name.
#[derive(Default)]
pub(super) struct Reloaders(Vec<(&'static str, Reload)>);

impl Reloaders {
    /// Has `reload` called at every SIGHUP. Where it fails it leaves everything as it was.
    pub(super) fn add(
        &mut self,
        what: &'static str,
        reload: impl Fn() -> Result<(), Box<dyn std::error::Error>> + 'static,
    ) {
        self.0.push((what, Box::new(reload)));
    }

    /// Reads everything anew. What fails is logged and stays as it was.
    pub(super) fn run(&self) {
        for (what, reload) in &self.0 {
            match reload() {
                Ok(()) => tracing::info!("{what} read anew"),
                Err(error) => tracing::error!(%error, "{what} stay as they were"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{cell::Cell, rc::Rc};

    #[test]
    fn one_that_fails_does_not_keep_the_others_from_being_read() {
        let mut reloaders = Reloaders::default();
        let read = Rc::new(Cell::new(0));
        reloaders.add("certificates", || Err("no such file".into()));
        let count = read.clone();
        reloaders.add("keys", move || {
            count.set(count.get() + 1);
            Ok(())
        });
        reloaders.run();
        reloaders.run();
        assert_eq!(read.get(), 2);
    }
}
