//! How a connection becomes a WebSocket: the server's part (RFC 6455 §4.2).
use super::{
    Wire, transmit,
    web::{Ends, Web, broken, invalid},
};
use bytes::{Buf, Bytes, BytesMut};
use std::io;
use tungstenite::{
    handshake::{
        machine::TryParse,
        server::{Request, Response, create_response, write_response},
    },
    http::HeaderValue,
};

/// Longest request that opens a WebSocket.
const MAX_REQUEST: usize = 8 * 1024;

/// Answers the request that opens a WebSocket for `protocol`, and takes the connection as one.
///
/// Errors: the socket's, and `InvalidData` for a request that asks for anything else; it is
/// answered 400.
pub(super) async fn accept(
    mut wire: Wire,
    protocol: &str,
    ends: Box<dyn Ends + Send>,
) -> io::Result<Wire> {
    let mut read = BytesMut::new();
    let outcome = loop {
        match Request::try_parse(&read) {
            Ok(Some((length, request))) => {
                read.advance(length);
                break agree(&request, protocol);
            }
            Ok(None) if read.len() > MAX_REQUEST => break Err(broken("request too long")),
            Ok(None) => read_more(&wire, &mut read).await?,
            Err(error) => break Err(invalid(error)),
        }
    };
    let mut text = Vec::new();
    match &outcome {
        Ok(response) => write_response(&mut text, response).map_err(invalid)?,
        Err(_) => text.extend_from_slice(
            b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        ),
    }
    write_all(&wire, &text).await?;
    outcome?;
    if !read.is_empty() {
        return Err(broken("frames before the handshake was answered"));
    }
    let layers = wire.layers.get_or_insert_with(Box::default);
    layers.get_mut().carry(Web::new(ends));
    Ok(wire)
}

fn agree(request: &Request, protocol: &str) -> io::Result<Response> {
    let mut response = create_response(request).map_err(invalid)?;
    let offered = request.headers().get_all("Sec-WebSocket-Protocol");
    let is_offered = offered
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|offer| offer.trim() == protocol);
    if !is_offered {
        return Err(broken("the sub-protocol was not offered"));
    }
    let agreed = HeaderValue::from_str(protocol).map_err(io::Error::other)?;
    let headers = response.headers_mut();
    headers.insert("Sec-WebSocket-Protocol", agreed);
    Ok(response)
}

async fn read_more(wire: &Wire, read: &mut BytesMut) -> io::Result<()> {
    loop {
        wire.tcp.readable().await?;
        let outcome = match &wire.layers {
            None => wire.tcp.try_read_buf(read),
            Some(layers) => {
                let mut answers = Vec::new();
                let outcome = layers
                    .borrow_mut()
                    .receive(&wire.tcp, read, 4096, |octets| {
                        answers.extend_from_slice(octets);
                        Ok(())
                    });
                transmit::write_all(&wire.tcp, &answers).await?;
                outcome
            }
        };
        match outcome {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

async fn write_all(wire: &Wire, text: &[u8]) -> io::Result<()> {
    let Some(layers) = &wire.layers else {
        return transmit::write_all(&wire.tcp, text).await;
    };
    let mut wrapped = Vec::new();
    let mut parts = vec![Bytes::copy_from_slice(text)];
    layers.borrow_mut().wrap(&mut parts, |octets| {
        wrapped.extend_from_slice(octets);
        Ok(())
    })?;
    transmit::write_all(&wire.tcp, &wrapped).await
}
