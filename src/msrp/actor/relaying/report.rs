//! What the relay says itself: answers to SENDs it took, REPORTs about those it lost.
use super::Route;
use crate::{
    msrp::{
        actor::{link::Link, transaction::Relayed},
        report::is_success,
    },
    net::Pressure,
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
    pub(in crate::msrp::actor) fn fail(self, code: u16) {
        // a source that is gone has nobody to tell
        let Some(from) = self.route.from.upgrade().filter(|from| !from.is_down()) else {
            return;
        };
        let late = &from.relaying().late;
        if late.borrow().is_empty() && from.pressure() == Pressure::Low {
            return self.report(&from, code);
        }
        late.borrow_mut().push_back((self, code));
        if late.borrow().len() == 1 {
            actix_rt::spawn(report_late(from.clone()));
        }
    }

    fn report(&self, from: &Rc<Link>, code: u16) {
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

/// Writes the REPORTs that came too many at once, when a next hop with thousands of SENDs was
/// lost, as fast as the source reads them.
async fn report_late(from: Rc<Link>) {
    let late = &from.relaying().late;
    while !from.is_down() && !late.borrow().is_empty() {
        from.outlet().when_low().await;
        while from.pressure() == Pressure::Low {
            let Some((relayed, code)) = late.borrow_mut().pop_front() else {
                break;
            };
            relayed.report(&from, code);
        }
        from.board.run();
        tokio::task::yield_now().await;
    }
    late.borrow_mut().clear();
}
