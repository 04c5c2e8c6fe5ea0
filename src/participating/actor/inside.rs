//! Requests within the dialog of a channel that ends here: this server's own business, whatever the
//! channel is joined with.
use super::channel::{Channel, Unfit};
use crate::{
    msrp::actor::SessionHandle,
    profile::mime,
    sip::actor::{DialogHandle, DialogNews, Reply},
};

/// Answers what asks for an answer: a re-INVITE about the channel's session, and what has no
/// business in such a dialog.
pub(super) fn answer(
    dialog: &DialogHandle,
    news: DialogNews,
    channel: &Channel,
    session: &SessionHandle,
) {
    match news {
        DialogNews::Offered { key, request } => {
            let again = channel.answer_again(request.body(), session);
            dialog.answer(
                key,
                again_reply(again.map_err(|unfit: Unfit| unfit.status())),
            );
        }
        DialogNews::Requested { key, .. } => dialog.answer(key, not_allowed()),
        _ => {}
    }
}

/// The answer to a re-INVITE: the session description, or the status that refuses it.
pub(super) fn again_reply(again: Result<Vec<u8>, u16>) -> Reply {
    match again {
        Ok(body) => Reply::new(200).body(mime::SDP, body),
        Err(code) => Reply::new(code),
    }
}

/// The answer to everything else.
pub(super) fn not_allowed() -> Reply {
    Reply::new(405).header("Allow", "INVITE, ACK, BYE")
}
