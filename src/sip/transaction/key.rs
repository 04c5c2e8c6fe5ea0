//! What tells transactions apart (RFC 3261 §17.1.3 and §17.2.3).
use crate::sip::codec::{HeaderError, Message, Name, Via};
use std::fmt::Write;

/// Writes the key of a client transaction: our branch and the method.
pub(super) fn write_client(branch: &str, method: &str, out: &mut String) {
    out.clear();
    out.push_str(branch);
    out.push('\n');
    out.push_str(method);
}

/// Writes the key of a server transaction: branch, sent-by and `method`, which is the request's
/// own or, to find the INVITE behind an ACK or a CANCEL, `INVITE`.
///
/// A request without the magic cookie is matched by what RFC 2543 had: Request-URI, From tag,
/// Call-ID, CSeq number and the topmost Via. The To tag is left out, so that the ACK finds its
/// INVITE.
pub(super) fn write_server(
    request: &Message,
    via: &Via,
    method: &str,
    out: &mut String,
) -> Result<(), HeaderError> {
    out.clear();
    match via.branch().filter(|branch| has_cookie(branch)) {
        Some(branch) => {
            out.push_str(branch);
            write_sent_by(via, out);
        }
        None => {
            let from = request.from()?;
            out.push_str(request.uri_text());
            out.push('\n');
            out.push_str(from.tag().unwrap_or_default());
            out.push('\n');
            out.push_str(&request.call_id());
            let number = request.cseq()?.number;
            write!(out, "\n{number}").expect("writing to a String does not fail");
            out.push_str(&request.value(Name::Via).unwrap_or_default());
        }
    }
    out.push('\n');
    out.push_str(method);
    Ok(())
}

fn has_cookie(branch: &str) -> bool {
    let cookie = Via::MAGIC_COOKIE;
    branch
        .get(..cookie.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(cookie))
}

fn write_sent_by(via: &Via, out: &mut String) {
    let start = out.len();
    write!(out, "\n{}:{}", via.host, via.port_or_default())
        .expect("writing to a String does not fail");
    out[start..].make_ascii_lowercase();
}
