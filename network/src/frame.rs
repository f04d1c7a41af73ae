//! The framing of requests and responses: a u32 little-endian length, then that many bytes.
//!
//! # Invariants
//! * A length above the protocol's limit is refused before a byte of memory is taken for it, and
//!   is reported rather than lost in an I/O error.
//! * Memory follows bytes that really came, in steps of [`FRAME_CHUNK_BYTES`].
//!
//! # Spec
//! docs/spec/06-wire.md §3
//!
//! # Not here
//! What the payload means (`node`); time limits and the number of streams ([`crate::behaviour`]).

use std::io;

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::StreamProtocol;
use libp2p::request_response::Codec;

use crate::limits::FRAME_CHUNK_BYTES;
use crate::protocol::Protocol;

/// Bytes of the length before a payload.
const LENGTH_BYTES: usize = 4;

/// What one direction of a stream brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// A whole payload within the limit.
    Payload(Vec<u8>),
    /// A length above the limit; nothing behind it was read.
    Oversize {
        /// The length claimed (bytes).
        claimed: u32,
    },
    /// The stream was closed before its first byte.
    Closed,
}

/// Reads and writes the frames of one protocol.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FrameCodec(pub(crate) Protocol);

impl Codec for FrameCodec {
    type Protocol = StreamProtocol;
    type Request = Frame;
    type Response = Frame;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Frame>
    where
        T: AsyncRead + Unpin + Send,
    {
        read(io, &mut Vec::new(), self.0.request_bytes_max()).await
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Frame>
    where
        T: AsyncRead + Unpin + Send,
    {
        read(io, &mut Vec::new(), self.0.response_bytes_max()).await
    }

    async fn write_request<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        frame: Frame,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(io, frame).await
    }

    async fn write_response<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        frame: Frame,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(io, frame).await
    }
}

/// Reads one frame of at most `bytes_max` through `buffer`, which ends empty unless reading fails.
async fn read<T>(io: &mut T, buffer: &mut Vec<u8>, bytes_max: usize) -> io::Result<Frame>
where
    T: AsyncRead + Unpin + Send,
{
    let mut length = [0; LENGTH_BYTES];
    let first = io.read(&mut length).await?;
    if first == 0 {
        return Ok(Frame::Closed);
    }
    io.read_exact(&mut length[first..]).await?;
    let claimed = u32::from_le_bytes(length);
    let Some(bytes) = usize::try_from(claimed)
        .ok()
        .filter(|bytes| *bytes <= bytes_max)
    else {
        return Ok(Frame::Oversize { claimed });
    };
    while buffer.len() < bytes {
        let start = buffer.len();
        buffer.resize(bytes.min(start + FRAME_CHUNK_BYTES), 0);
        io.read_exact(&mut buffer[start..]).await?;
    }
    Ok(Frame::Payload(std::mem::take(buffer)))
}

async fn write<T>(io: &mut T, frame: Frame) -> io::Result<()>
where
    T: AsyncWrite + Unpin + Send,
{
    let Frame::Payload(payload) = frame else {
        return Err(io::Error::other("only payloads are sent"));
    };
    let length = u32::try_from(payload.len()).map_err(io::Error::other)?;
    io.write_all(&length.to_le_bytes()).await?;
    io.write_all(&payload).await?;
    io.flush().await
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use futures::executor::block_on;
    use futures::io::Cursor;

    use super::*;

    /// Gives its bytes one at a time and fails the test if it is asked for more.
    struct Strict(Vec<u8>);

    impl AsyncRead for Strict {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            into: &mut [u8],
        ) -> Poll<io::Result<usize>> {
            assert!(!self.0.is_empty(), "read beyond the claimed length");
            into[0] = self.0.remove(0);
            Poll::Ready(Ok(1))
        }
    }

    fn framed(claimed: u32, payload: &[u8]) -> Vec<u8> {
        [&claimed.to_le_bytes()[..], payload].concat()
    }

    #[test]
    fn a_frame_comes_back_as_it_was_written() {
        for bytes in [
            0,
            1,
            FRAME_CHUNK_BYTES,
            FRAME_CHUNK_BYTES + 1,
            5 * FRAME_CHUNK_BYTES,
        ] {
            let frame = Frame::Payload(vec![0xa5; bytes]);
            let mut wire = Cursor::new(Vec::new());
            block_on(write(&mut wire, frame.clone())).expect("written");
            let mut wire = Strict(wire.into_inner());
            let read = block_on(read(&mut wire, &mut Vec::new(), bytes)).expect("read");
            assert_eq!((read, wire.0), (frame, Vec::new()));
        }
    }

    #[test]
    fn a_claimed_u32_max_takes_no_memory_and_reads_no_further() {
        let mut buffer = Vec::new();
        let mut wire = Strict(framed(u32::MAX, b""));
        let frame = block_on(read(&mut wire, &mut buffer, 4 << 20)).expect("a frame");
        assert_eq!(frame, Frame::Oversize { claimed: u32::MAX });
        assert_eq!(buffer.capacity(), 0);
    }

    #[test]
    fn one_byte_above_the_limit_is_refused_and_the_limit_is_not() {
        let mut wire = Cursor::new(framed(9, &[0; 9]));
        let frame = block_on(read(&mut wire, &mut Vec::new(), 8)).expect("a frame");
        assert_eq!(frame, Frame::Oversize { claimed: 9 });
        let mut wire = Cursor::new(framed(8, &[0; 8]));
        let frame = block_on(read(&mut wire, &mut Vec::new(), 8)).expect("a frame");
        assert_eq!(frame, Frame::Payload(vec![0; 8]));
    }

    #[test]
    fn a_large_claim_takes_memory_only_as_bytes_come() {
        let mut buffer = Vec::new();
        let mut wire = Cursor::new(framed(4 << 20, &[7; 10]));
        let error = block_on(read(&mut wire, &mut buffer, 4 << 20)).expect_err("cut off");
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        assert!(
            buffer.capacity() <= FRAME_CHUNK_BYTES,
            "{} bytes",
            buffer.capacity()
        );
    }

    #[test]
    fn an_empty_stream_is_closed_and_a_torn_length_is_an_error() {
        let frame = block_on(read(&mut Cursor::new(vec![]), &mut Vec::new(), 8)).expect("a frame");
        assert_eq!(frame, Frame::Closed);
        assert!(block_on(read(&mut Cursor::new(vec![1, 0]), &mut Vec::new(), 8)).is_err());
    }
}
