//! How a switchboard takes leave of its clients before it stops.
use super::{link::Link, switchboard::Switchboard};

impl Switchboard {
    /// Stops listening and ends the relay's URIs: SENDs by them are refused with 481 from now on,
    /// AUTH with 408, so that their senders try elsewhere. What was taken before goes on.
    pub fn part(&self) {
        self.stop_listening();
        self.is_parting.set(true);
        for link in self.all_links() {
            if let Some(relaying) = link.relaying.get() {
                relaying.end_all();
            }
        }
    }

    /// Tells whether all that was taken has left, and has its answer where one is owed.
    pub fn is_quiet(&self) -> bool {
        self.all_links().iter().all(|link| link.is_quiet())
    }
}

impl Link {
    fn is_quiet(&self) -> bool {
        let relaying = self.relaying.get();
        let owes_reports = relaying.is_some_and(|relaying| relaying.owes_reports());
        let owed = self.in_flight.borrow().in_flight();
        self.is_down() || (owed == 0 && self.is_flushed() && !owes_reports)
    }
}
