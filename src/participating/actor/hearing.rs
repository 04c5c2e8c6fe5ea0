use crate::{
    msrp::{
        Assembly, AssemblyError, ChunkToken, Continuation, Head, Progress,
        actor::{SessionEvent, SessionHandle},
        assembly::Cursor,
    },
    profile::mime,
};
use bytes::{Bytes, BytesMut};
use std::collections::HashMap;

/// Puts together what a device says on the channel through which it is handed its messages:
/// requests and notifications, which are small. Anything else is taken and dropped.
#[derive(Default)]
pub(super) struct Hearing {
    messages: HashMap<String, Partial>,
    chunks: HashMap<ChunkToken, Chunk>,
}

/// One message that a device said. Whoever takes it answers its last chunk.
pub(super) struct Heard {
    pub chunk: ChunkToken,
    pub message_id: String,
    pub content_type: String,
    pub body: Bytes,
}

struct Partial {
    content_type: String,
    assembly: Assembly,
    octets: BytesMut,
}

struct Chunk {
    message_id: String,
    /// The place of its octets, or what to answer it.
    state: Result<Cursor, u16>,
}

/// Most octets of one message.
const LIMIT: usize = 64 * 1024;
/// Messages that may be incomplete at a time.
const MOST_MESSAGES: usize = 8;
/// Holes that one message may have while it comes in out of order.
const MAX_GAPS: usize = 16;

impl Hearing {
    /// Takes an event of the channel; the message it completes, if it does. All other chunks are
    /// answered here.
    pub fn hear(&mut self, event: SessionEvent, session: &SessionHandle) -> Option<Heard> {
        match event {
            SessionEvent::Head(inbound) => self.begin(inbound.chunk, &inbound.head),
            SessionEvent::Body(token, octets) => self.body(token, &octets),
            SessionEvent::End(token, flag) => return self.end(token, flag, session),
            _ => {}
        }
        None
    }

    fn begin(&mut self, token: ChunkToken, head: &Head) {
        let message_id = head.message_id().unwrap_or_default().to_owned();
        let state = self.open(&message_id, head);
        self.chunks.insert(token, Chunk { message_id, state });
    }

    fn open(&mut self, message_id: &str, head: &Head) -> Result<Cursor, u16> {
        let range = head.byte_range().map_err(|_| 400u16)?;
        let content_type = head.content_type().unwrap_or_default();
        // taken and dropped: an empty SEND, or what nobody here reads
        if !head.has_body() || !is_read(content_type) {
            return Err(200);
        }
        if self.messages.len() >= MOST_MESSAGES && !self.messages.contains_key(message_id) {
            return Err(413);
        }
        let messages = self.messages.entry(message_id.to_owned());
        let message = messages.or_insert_with(|| Partial {
            content_type: content_type.to_owned(),
            assembly: Assembly::new(LIMIT as u64, MAX_GAPS),
            octets: BytesMut::new(),
        });
        let opened = message.assembly.begin(range);
        opened.map_err(|error| AssemblyError::status(&error))
    }

    fn body(&mut self, token: ChunkToken, octets: &[u8]) {
        let Some(chunk) = self.chunks.get_mut(&token) else {
            return;
        };
        let message = self.messages.get_mut(&chunk.message_id);
        let (Ok(cursor), Some(message)) = (&mut chunk.state, message) else {
            return;
        };
        match message.assembly.place(cursor, octets.len()) {
            Ok(offset) => message.write(usize::try_from(offset).unwrap_or(LIMIT), octets),
            Err(error) => chunk.state = Err(error.status()),
        }
    }

    fn end(
        &mut self,
        token: ChunkToken,
        flag: Continuation,
        session: &SessionHandle,
    ) -> Option<Heard> {
        let Chunk { message_id, state } = self.chunks.remove(&token)?;
        let progress = match (state, self.messages.get_mut(&message_id)) {
            (Ok(cursor), Some(message)) => {
                let ended = message.assembly.end(cursor, flag);
                ended.map_err(|error| error.status())
            }
            (Ok(_), None) => Err(413),
            (Err(status), _) => Err(status),
        };
        let code = match progress {
            Ok(Progress::Complete { .. }) => {
                let message = self.messages.remove(&message_id)?;
                return Some(Heard {
                    chunk: token,
                    message_id,
                    content_type: message.content_type,
                    body: message.octets.freeze(),
                });
            }
            Ok(Progress::Incomplete) => 200,
            Ok(Progress::Aborted) => {
                self.messages.remove(&message_id);
                200
            }
            Err(status) => {
                self.messages.remove(&message_id);
                status
            }
        };
        session.respond(token, code);
        None
    }
}

impl Partial {
    fn write(&mut self, at: usize, octets: &[u8]) {
        let end = at + octets.len();
        if self.octets.len() < end {
            self.octets.resize(end, 0);
        }
        self.octets[at..end].copy_from_slice(octets);
    }
}

fn is_read(content_type: &str) -> bool {
    [mime::DEFERRED_LIST, mime::CPIM]
        .iter()
        .any(|read| mime::is(content_type, read))
}
