//! Sends a message: by MESSAGE where it fits, through a channel otherwise, again if that fails.
use super::{call::Call, pager::Pager, state::State};
use crate::{
    client::{
        Channel, ClientError, Content, Mode, Outcome, Outgoing, Receipt, error::is_transient_status,
    },
    net,
};
use std::rc::Rc;

/// Sends until it is accepted, refused for good, or tried often enough.
pub(super) async fn send(device: &Rc<State>, outgoing: &Outgoing) -> Result<Receipt, ClientError> {
    let message_id = outgoing
        .message_id
        .clone()
        .unwrap_or_else(|| net::random_token(16));
    let (most, mut pause) = (device.config().attempts.max(1), device.config().retry_pause);
    let mut attempts = 0;
    loop {
        attempts += 1;
        let result = attempt(device, outgoing, &message_id).await;
        let again = match &result {
            Ok((Outcome::Refused { code, .. }, _)) => is_transient_status(*code),
            Ok(_) => false,
            Err(error) => error.is_transient(),
        };
        if !again || attempts >= most {
            return result.map(|(outcome, channel)| Receipt {
                message_id,
                outcome,
                channel,
                attempts,
            });
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
}

async fn attempt(
    device: &Rc<State>,
    outgoing: &Outgoing,
    id: &str,
) -> Result<(Outcome, Channel), ClientError> {
    if let Some(pager) = Pager::build(device, outgoing, id).await? {
        let limit = usize::try_from(device.config().pager_limit.as_u64()).unwrap_or(usize::MAX);
        match pager.size <= limit {
            true => return Ok((pager.send(device, outgoing).await?, Channel::Pager)),
            false if outgoing.mode == Mode::Pager => {
                let size = pager.size;
                return Err(ClientError::TooLargeForPager { size, limit });
            }
            false => {}
        }
    }
    let outcome = Call::new(device, outgoing, id).run().await?;
    Ok((outcome, Channel::Msrp))
}

/// The Request-URI.
pub(super) fn uri(outgoing: &Outgoing) -> &str {
    outgoing
        .request_uri
        .as_deref()
        .unwrap_or(outgoing.to.as_str())
}

pub(super) fn unreadable(outgoing: &Outgoing, source: std::io::Error) -> ClientError {
    let path = match &outgoing.content {
        Content::File(path) => path.clone(),
        Content::Bytes(_) => std::path::PathBuf::new(),
    };
    ClientError::Read { path, source }
}
