//! What `node` says and what `network` carries have one set of limits: the two crates are strangers, and
//! only here both are known.
//!
//! # Spec
//! docs/spec/06-wire.md §5
//!
//! # Not here
//! The limits themselves: `node::wire`, `network::limits`.

use network::{Protocol, Topic};
use node::wire::{
    BlockAnnouncement, BodiesRequest, BodiesResponse, HeadersRequest, HeadersResponse, Items,
    MempoolRequest, MempoolResponse, MissingRequest,
};

#[test]
fn every_payload_that_a_node_may_send_is_carried() {
    let requests = [
        (
            Protocol::Headers,
            HeadersRequest::BYTES_MAX,
            HeadersResponse::BYTES_MAX,
        ),
        (
            Protocol::Bodies,
            BodiesRequest::BYTES_MAX,
            BodiesResponse::BYTES_MAX,
        ),
        (
            Protocol::Mempool,
            MempoolRequest::BYTES_MAX,
            MempoolResponse::BYTES_MAX,
        ),
        (
            Protocol::Missing,
            MissingRequest::BYTES_MAX,
            Items::BYTES_MAX,
        ),
    ];
    let mut beyond = Vec::new();
    for (protocol, request, response) in requests {
        if request > protocol.request_bytes_max() {
            beyond.push(format!("{protocol:?}: a request of {request} bytes"));
        }
        if response > protocol.response_bytes_max() {
            beyond.push(format!("{protocol:?}: a response of {response} bytes"));
        }
    }
    let messages = [
        (Topic::Block, BlockAnnouncement::BYTES_MAX),
        (Topic::Tx, chain::Transaction::BYTES_MAX),
        (Topic::Envelope, 8 + chain::Envelope::BYTES_MAX),
    ];
    for (topic, message) in messages {
        if message > topic.bytes_max() {
            beyond.push(format!("{topic:?}: a message of {message} bytes"));
        }
    }
    assert!(beyond.is_empty(), "the transport refuses {beyond:#?}");
}
