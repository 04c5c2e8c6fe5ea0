//! What the relay says itself: answers to SENDs it took, REPORTs about those it lost.
use super::Route;
use crate::msrp::{
    actor::{link::Link, transaction::Relayed},
    report::is_success,
};
use std::rc::Rc;

/// Nothing was heard from the next hop, or nothing ever will be.
pub(in crate::msrp::actor) const TIMED_OUT: u16 = 408;

impl Route {
    /// Answers the SEND `id` of this route.
    pub(in crate::msrp::actor) fn answer(&self, link: &Rc<Link>, id: &[u8], code: u16) {
        if !is_success(code) {
            link.board.metrics.refused("relay_failed");
        }
        link.write(|out| self.lines.put_answer(out, id, code));
    }
}

impl Relayed {
    /// Tells the source that this SEND failed at the next hop. The caller has looked whether the
    /// source wants to hear of it.
    pub(in crate::msrp::actor) fn fail(&self, code: u16) {
        // a source that is gone has nobody to tell
        let Some(from) = self.route.from.upgrade().filter(|from| !from.is_down()) else {
            return;
        };
        from.board.metrics.reports_made.increment(1);
        let id = from.board.next_transaction().to_octets();
        let range = self.range();
        let range = range.as_deref().map(str::as_bytes);
        from.write(|out| {
            let lines = &self.route.lines;
            lines.put_report(out, &id, self.message_id(), range, code);
        });
    }
}
