//! Where the requests and responses of an outgoing octet stream end.

/// Finds end-lines (RFC 4975 §9). It is shown every octet once, in order, cut anywhere.
#[derive(Debug, Default)]
pub struct EndLines {
    /// The start line, as far as it came; then the end-line that belongs to it, without its last
    /// three octets.
    wanted: Vec<u8>,
    /// The last octets that were seen, in which an end-line may have begun.
    seen: Vec<u8>,
    is_inside: bool,
}

/// What stands before the transaction id in an end-line, the line break before it included.
const MARK: &[u8] = b"\r\n-------";
/// Flag and line break after it.
const TAIL: usize = 3;

impl EndLines {
    /// Returns how long the front of `octets` is up to the end of what is under way; `None` where
    /// it does not end there.
    pub fn next(&mut self, octets: &[u8]) -> Option<usize> {
        let start = match self.is_inside {
            true => 0,
            false => self.enter(octets)?,
        };
        let known = self.seen.len();
        self.seen.extend_from_slice(&octets[start..]);
        let Some(end) = find(&self.seen, &self.wanted) else {
            let keep = self.wanted.len() + TAIL - 1;
            self.seen.drain(..self.seen.len().saturating_sub(keep));
            return None;
        };
        self.wanted.clear();
        self.seen.clear();
        self.is_inside = false;
        Some(start + end - known)
    }

    /// Reads the start line; `None` if its end is still to come.
    fn enter(&mut self, octets: &[u8]) -> Option<usize> {
        let end = memchr::memchr(b'\n', octets);
        let line = end.map_or(octets.len(), |end| end + 1);
        self.wanted.extend_from_slice(&octets[..line]);
        end?;
        let mut words = self.wanted.split(u8::is_ascii_whitespace);
        let id = words.nth(1).unwrap_or_default();
        let wanted = [MARK, id].concat();
        self.wanted = wanted;
        self.seen.extend_from_slice(b"\r\n");
        self.is_inside = true;
        Some(line)
    }
}

/// Returns where the first whole end-line ends that begins with `wanted`.
fn find(octets: &[u8], wanted: &[u8]) -> Option<usize> {
    memchr::memmem::find_iter(octets, wanted)
        .map(|at| at + wanted.len())
        .find(|at| {
            matches!(
                octets.get(*at..at + TAIL),
                Some([b'$' | b'+' | b'#', b'\r', b'\n'])
            )
        })
        .map(|at| at + TAIL)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Ends of all that `octets` hold, shown in pieces of the given lengths, over and over.
    fn ends(octets: &[u8], pieces: &[usize]) -> Vec<usize> {
        let (mut lines, mut found, mut at) = (EndLines::default(), Vec::new(), 0);
        for length in pieces.iter().cycle() {
            let mut piece = &octets[at..octets.len().min(at + length)];
            while let Some(end) = lines.next(piece) {
                at += end;
                found.push(at);
                piece = &piece[end..];
            }
            at += piece.len();
            if at == octets.len() {
                return found;
            }
        }
        found
    }

    fn stream() -> (Vec<u8>, Vec<usize>) {
        let messages: [&str; 5] = [
            "MSRP a1b2 SEND\r\nTo-Path: x\r\n\r\n-------a1b3$\r\n-------a1b2\r\n-------a1b2$\r\n",
            "MSRP c3d4 200 OK\r\nTo-Path: x\r\n-------c3d4$\r\n",
            "MSRP e5f6 SEND\r\nTo-Path: x\r\n-------e5f6+\r\n",
            "MSRP a1b2 REPORT\r\nTo-Path: x\r\n-------a1b2#\r\n",
            "MSRP g7 SEND\r\nTo-Path: x\r\n\r\nMSRP a1b2 SEND\r\n-------a1b2$\r\n\r\n-------g7$\r\n",
        ];
        let mut end = 0;
        let ends = messages.map(|message| {
            end += message.len();
            end
        });
        (messages.concat().into_bytes(), ends.to_vec())
    }

    proptest! {
        #[test]
        fn messages_end_where_their_own_end_lines_do(
            pieces in proptest::collection::vec(1_usize..40, 1..20),
        ) {
            let (octets, expected) = stream();
            prop_assert_eq!(ends(&octets, &pieces), expected);
        }
    }
}
