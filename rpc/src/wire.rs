//! HTTP and WebSocket spoken by hand, so that a test can say what no library would.
//!
//! # Invariants
//! Nothing here repairs or refuses what the test wants to say.
//!
//! # Spec
//! RFC 9112, RFC 6455
//!
//! # Not here
//! The tests: [`crate::server`], [`crate::http`].

use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What the server said.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        Self {
            status: status.unwrap_or_default(),
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("a JSON body")
    }

    pub(crate) fn reason(&self) -> String {
        let reason = &self.json()["error"]["data"]["reason"];
        reason.as_str().expect("a reason").to_owned()
    }

    pub(crate) fn assert_no_cors(&self) {
        assert!(
            !self.head.to_lowercase().contains("access-control"),
            "{}",
            self.head
        );
    }
}

/// Bytes of the longest answer that a test waits for.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// Everything until the server closes; a reset ends it as well.
pub(crate) async fn read_all(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    while stream.read_buf(&mut bytes).await.is_ok_and(|read| read > 0) {
        assert!(bytes.len() <= ANSWER_BYTES_MAX, "{} bytes", bytes.len());
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// One request on a connection of its own.
pub(crate) async fn exchange(
    address: SocketAddr,
    line: &str,
    headers: &[&str],
    body: &[u8],
) -> Answer {
    let mut stream = TcpStream::connect(address).await.expect("connected");
    let head = format!(
        "{line} HTTP/1.1\r\n{}\r\nConnection: close\r\n\r\n",
        headers.join("\r\n")
    );
    stream
        .write_all(&[head.as_bytes(), body].concat())
        .await
        .expect("sent");
    Answer::parse(&read_all(&mut stream).await)
}

/// Asks for a WebSocket; the answer's head and, if it was refused, its body.
pub(crate) async fn upgrade(address: SocketAddr, headers: &[&str]) -> (TcpStream, Answer) {
    let mut stream = TcpStream::connect(address).await.expect("connected");
    let version = "Sec-WebSocket-Version: 13";
    let own_version = headers
        .iter()
        .any(|header| header.starts_with("Sec-WebSocket-Version"));
    let head = format!(
        "GET / HTTP/1.1\r\n{}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{}\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        headers.join("\r\n"),
        if own_version { "X-Other: 1" } else { version },
    );
    stream.write_all(head.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await.expect("a head"));
    }
    (stream, Answer::parse(&String::from_utf8_lossy(&answer)))
}

/// An open WebSocket.
pub(crate) struct Socket(TcpStream);

impl Socket {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self(stream)
    }

    /// Sends a text message; the mask is zero.
    pub(crate) async fn send(&mut self, text: &str) {
        let mut frame = vec![0x81];
        match text.len() {
            short @ 0..126 => frame.push(0x80 | u8::try_from(short).expect("below 126")),
            middle @ 126..0x10000 => {
                frame.push(0x80 | 126);
                frame.extend(u16::try_from(middle).expect("below 65536").to_be_bytes());
            }
            long => {
                frame.push(0x80 | 127);
                frame.extend((long as u64).to_be_bytes());
            }
        }
        frame.extend([0; 4]);
        frame.extend(text.as_bytes());
        self.0.write_all(&frame).await.expect("sent");
    }

    /// The next text message; nothing when the server closes.
    pub(crate) async fn receive(&mut self) -> Option<Value> {
        loop {
            let opcode = self.0.read_u8().await.ok()? & 0x0f;
            let length = match self.0.read_u8().await.ok()? & 0x7f {
                126 => u64::from(self.0.read_u16().await.ok()?),
                127 => self.0.read_u64().await.ok()?,
                short => u64::from(short),
            };
            let mut payload = vec![0; usize::try_from(length).expect("a sane length")];
            self.0.read_exact(&mut payload).await.ok()?;
            match opcode {
                1 => return Some(serde_json::from_slice(&payload).expect("JSON")),
                8 => return None,
                _ => {}
            }
        }
    }

    pub(crate) async fn ask(&mut self, text: &str) -> Value {
        self.send(text).await;
        self.receive().await.expect("an answer")
    }
}
