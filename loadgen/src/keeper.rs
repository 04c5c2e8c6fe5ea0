//! A server that is started here, and killed and started again while it is under load.
use crate::{args::Server, book::Book, series::Event};
use restante::{
    cli::child::{ServerPlan, ServerProcess},
    clock,
};
use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};
use tempfile::TempDir;

/// Who keeps a server running; it ends with its keeper.
pub struct Keeper {
    process: Arc<Mutex<ServerProcess>>,
    pid: Arc<AtomicU32>,
    folder: Option<TempDir>,
}

/// Kills the server again and again until it is dropped.
pub struct Killer {
    enough: Option<mpsc::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Keeper {
    /// Starts the server of `command`, such as `restante serve --data DIR`.
    ///
    /// Errors: a sentence for the user, with what the server logged.
    pub fn start(command: &str, data: Option<&Path>) -> Result<Self, String> {
        let (mut plan, has_data) = understood(command)?;
        let mut folder = None;
        if !has_data {
            plan.data = match data {
                Some(data) => data.to_owned(),
                None => {
                    let made = TempDir::with_prefix("loadgen-server-");
                    let made =
                        made.map_err(|error| format!("no folder for the server: {error}"))?;
                    folder.insert(made).path().to_owned()
                }
            };
        }
        std::fs::create_dir_all(&plan.data)
            .map_err(|error| format!("{}: {error}", plan.data.display()))?;
        let process = plan.start().map_err(|error| error.to_string())?;
        Ok(Self {
            pid: Arc::new(AtomicU32::new(process.pid())),
            process: Arc::new(Mutex::new(process)),
            folder,
        })
    }

    /// What the command line says of the server, and what the started one says itself.
    pub fn introduce(&self, server: &mut Server) {
        let process = self.process();
        let addresses = process.addresses();
        server.sip = addresses.sip;
        server.http = addresses.http;
        server.data = Some(process.plan().data.clone());
    }

    /// Says which process it is; `None` while there is none.
    pub fn pid(&self) -> impl Fn() -> Option<u32> + Send + use<> {
        let pid = self.pid.clone();
        move || Some(pid.load(Ordering::Relaxed)).filter(|pid| *pid != 0)
    }

    /// Kills it every so often from now on, and starts it again.
    pub fn kill_every(&self, every: Duration, book: Book) -> Killer {
        let (enough, is_enough) = mpsc::channel();
        let (process, pid) = (self.process.clone(), self.pid.clone());
        let thread = thread::spawn(move || {
            while is_enough.recv_timeout(every) == Err(mpsc::RecvTimeoutError::Timeout) {
                let mut process = process.lock().unwrap_or_else(PoisonError::into_inner);
                if let Err(why) = kill_and_restart(&mut process, &pid, &book) {
                    return book.give_up(why);
                }
            }
        });
        Killer {
            enough: Some(enough),
            thread: Some(thread),
        }
    }

    /// Stops it, and tells where its data and its log are kept if `keeps` them and they are in a
    /// folder of their own.
    pub fn stop(self, keeps: bool) -> Option<PathBuf> {
        // one that cannot be asked to stop is killed when dropped
        let _ = self.process().terminate();
        let folder = self.folder?;
        keeps.then(|| folder.keep())
    }

    fn process(&self) -> std::sync::MutexGuard<'_, ServerProcess> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Killer {
    fn drop(&mut self) {
        drop(self.enough.take());
        if let Some(thread) = self.thread.take() {
            // it only fails by panicking, and has said why
            let _ = thread.join();
        }
    }
}

fn kill_and_restart(
    process: &mut ServerProcess,
    pid: &AtomicU32,
    book: &Book,
) -> Result<(), String> {
    if !process.is_alive() {
        return Err("the server ended by itself".to_owned());
    }
    let killed = clock::now();
    book.broke(killed);
    pid.store(0, Ordering::Relaxed);
    process.kill9();
    book.broke(clock::now());
    book.mark(Event::Killed, killed);
    process.restart().map_err(|error| error.to_string())?;
    pid.store(process.pid(), Ordering::Relaxed);
    book.mark(Event::Serving, clock::now());
    Ok(())
}

/// What a command says about the server, and whether it says where its data are.
fn understood(command: &str) -> Result<(ServerPlan, bool), String> {
    let wrong = |why: String| format!("--spawn \"{command}\": {why}");
    let mut words = command.split_whitespace();
    let program = words
        .next()
        .ok_or_else(|| wrong("names no program".to_owned()))?;
    let mut plan = ServerPlan {
        program: beside(program),
        data: PathBuf::new(),
        config: None,
        settings: Vec::new(),
    };
    match words.next() {
        None | Some("serve") => {}
        Some(other) => return Err(wrong(format!("`{other}` is not `serve`"))),
    }
    while let Some(word) = words.next() {
        let (key, value) = match word.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (word, words.next()),
        };
        let value = value.ok_or_else(|| wrong(format!("{key} wants a value")))?;
        match key {
            "--data" => plan.data = value.into(),
            "--config" => plan.config = Some(value.into()),
            other => {
                let advice = "only --data and --config can stand here; \
                              all else by the file, or by RESTANTE_SECTION__KEY";
                return Err(wrong(format!("{other}: {advice}")));
            }
        }
    }
    let has_data = !plan.data.as_os_str().is_empty();
    Ok((plan, has_data))
}

/// The program beside this one, where there is one; otherwise as named.
fn beside(program: &str) -> PathBuf {
    let here = std::env::current_exe().ok();
    let beside = here.and_then(|here| Some(here.parent()?.join(program)));
    match beside {
        Some(beside) if !program.contains('/') && beside.is_file() => beside,
        _ => program.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_names_program_data_and_configuration() {
        let (plan, has_data) =
            understood("/opt/restante serve --data /srv/r --config=/etc/r.toml").unwrap();
        assert_eq!(plan.program, Path::new("/opt/restante"));
        assert_eq!(plan.data, Path::new("/srv/r"));
        assert_eq!(plan.config.as_deref(), Some(Path::new("/etc/r.toml")));
        assert!(has_data);
        assert!(!understood("restante serve").unwrap().1);
    }

    #[test]
    fn command_that_is_not_understood_is_refused_with_advice() {
        for (command, wanted) in [
            ("", "names no program"),
            ("restante send", "`send` is not `serve`"),
            ("restante serve --data", "--data wants a value"),
            ("restante serve --sip.listen 1", "RESTANTE_SECTION__KEY"),
        ] {
            let refused = understood(command).unwrap_err();
            assert!(refused.contains(wanted), "{refused}");
        }
    }

    #[test]
    fn server_that_does_not_start_tells_why() {
        let refused = Keeper::start("/nowhere/restante serve", None)
            .err()
            .unwrap();
        assert!(
            refused.contains("cannot run /nowhere/restante"),
            "{refused}"
        );
    }
}
