//! Peers that write as fast as they can.
use super::{Peer, answer, body, flag, id, range, send, value};
use futures_util::future::join;
use std::collections::HashMap;
use tokio::{io::AsyncWriteExt, sync::mpsc};

/// The content of the message `number`: `octets` of them.
pub fn content(number: usize, octets: usize) -> String {
    let mut text = format!("{number:08}:").repeat(octets / 9 + 1);
    text.truncate(octets);
    text
}

/// Messages whose SENDs may be cut wherever a read of the relay ended.
#[derive(Default)]
pub struct Parts(HashMap<String, String>);

impl Parts {
    /// Takes a SEND; returns the number of the message that it completes.
    pub fn take(&mut self, frame: &str, octets: usize) -> Option<usize> {
        let (from, name) = (value(frame, "From-Path"), value(frame, "Message-ID"));
        let key = format!("{from:?} {name:?}");
        let text = self.0.entry(key.clone()).or_default();
        assert_eq!(range(frame).0, text.len() as u64 + 1, "{key} joins");
        text.push_str(body(frame));
        if flag(frame) == '+' {
            return None;
        }
        let text = self.0.remove(&key).unwrap();
        let number = text[..8].parse().unwrap();
        assert_eq!(text, content(number, octets));
        Some(number)
    }
}

/// One end of a talk in which both write as fast as they can: answers queue behind what was
/// written before.
pub async fn talk(peer: Peer, to: String, count: usize) {
    let (mut reader, mut writer, uri) = (peer.reader, peer.writer, peer.uri);
    let (give, mut answers) = mpsc::unbounded_channel::<String>();
    let from = uri.clone();
    let writing = async move {
        for number in 0..count {
            while let Ok(text) = answers.try_recv() {
                writer.write_all(text.as_bytes()).await.unwrap();
            }
            let text = send(
                &format!("t{number:07}"),
                &to,
                &from,
                "",
                &content(number, 100),
            );
            writer.write_all(text.as_bytes()).await.unwrap();
        }
        while let Some(text) = answers.recv().await {
            writer.write_all(text.as_bytes()).await.unwrap();
        }
        writer
    };
    let reading = async move {
        let (mut parts, mut taken, mut answered) = (Parts::default(), 0, 0);
        while taken < count || answered < count {
            let frame = reader.frame().await;
            match frame.split(' ').nth(2).map(|word| &word[..3]) {
                Some("SEN") => {
                    if let Some(number) = parts.take(&frame, 100) {
                        assert_eq!(number, taken);
                        taken += 1;
                    }
                    let to = value(&frame, "From-Path")
                        .unwrap()
                        .split(' ')
                        .next()
                        .unwrap();
                    give.send(answer(id(&frame), "200 OK", to, &uri)).unwrap();
                }
                Some("200") => answered += 1,
                _ => panic!("{frame}"),
            }
        }
        reader
    };
    let (_reader, _writer) = join(reading, writing).await;
}
