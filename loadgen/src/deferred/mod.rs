//! Deferred messages from end to end, with peers as lean as can be: senders fill the mailboxes of
//! receivers who are away, then the receivers come and take what waits.
//!
//! The same load is played in two languages, so that servers of both can be compared: SIP with
//! MSRP channels (`sip`: signalling in `phone`, channels in `channel`) and XMPP (`xmpp`: its ends in
//! `stream`). `book` knows the fate of every message, `run` leads through the
//! phases, `report` tells what they came to.
mod book;
mod channel;
pub mod options;
mod packet;
mod phone;
mod report;
mod run;
mod sip;
mod stanza;
mod stream;
mod wire;
mod xmpp;

use crate::relay::tell;
use book::Book;
use options::{Load, Options, Output, XmppOptions};
use restante::net;
use std::rc::Rc;
use tokio::{runtime, task::LocalSet};
use wire::Wire;

/// Makes the run that `options` describe and prints its report; says whether all went well.
///
/// Errors: a sentence for the user if the run could not be made.
pub fn run(options: &Options) -> Result<bool, String> {
    restante::net::raise_open_files();
    let book = book(&options.load)?;
    if !options.server.no_provisioning {
        sip::provide(options)?;
    }
    let wire = sip::Sip::new(&options.server, book.clone());
    play(wire, book, &options.load, &options.output)
}

/// The same for a server that speaks XMPP; its accounts exist already.
///
/// Errors: a sentence for the user if the run could not be made.
pub fn run_xmpp(options: &XmppOptions) -> Result<bool, String> {
    restante::net::raise_open_files();
    let book = book(&options.load)?;
    let wire = xmpp::Xmpp::new(&options.server, book.clone());
    play(wire, book, &options.load, &options.output)
}

fn book(load: &Load) -> Result<Rc<Book>, String> {
    Book::new(net::random_u64() as u32, load).map(Rc::new)
}

fn play<W: Wire>(wire: W, book: Rc<Book>, load: &Load, output: &Output) -> Result<bool, String> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let played = run::play(Rc::new(wire), book, load, output);
    let report = LocalSet::new().block_on(&runtime, played)?;
    tell(&report, output.json.as_deref()).map(|()| report.is_clean)
}
