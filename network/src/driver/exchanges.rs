//! Open questions in both directions, and the bytes of answers that are on their way.
//!
//! # Invariants
//! * Every question of ours has one entry until its one end.
//! * Answers on their way are counted until libp2p says that they were sent or failed; their sums
//!   stay below [`RESPONSE_BYTES_PER_PEER_MAX`] and [`RESPONSE_BYTES_MAX`].
//!
//! # Spec
//! docs/spec/06-wire.md §3, §5
//!
//! # Not here
//! Framing ([`crate::frame`]); which questions to ask (`node::sync`).

use std::collections::BTreeMap;
use std::sync::Arc;

use libp2p::request_response::{InboundRequestId, OutboundRequestId};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::event::RequestId;
use crate::limits::{
    INBOUND_REQUESTS_MAX, REQUESTS_MAX, REQUESTS_PER_PEER_MAX, RESPONSE_BYTES_MAX,
    RESPONSE_BYTES_PER_PEER_MAX,
};
use crate::peer::PeerId;
use crate::protocol::Protocol;

/// Open questions and answers. The ids are libp2p's, except in tests, which cannot make those.
#[derive(Debug)]
pub(crate) struct Exchanges<Asked = OutboundRequestId, Owed = InboundRequestId> {
    asked: BTreeMap<(Protocol, Asked), (RequestId, PeerId)>,
    answers: BTreeMap<(Protocol, Owed), (PeerId, usize)>,
    places: Arc<Semaphore>,
}

impl<Asked: Ord, Owed: Ord> Exchanges<Asked, Owed> {
    pub(crate) fn new() -> Self {
        let places = Arc::new(Semaphore::new(INBOUND_REQUESTS_MAX));
        Self {
            asked: BTreeMap::new(),
            answers: BTreeMap::new(),
            places,
        }
    }

    /// Whether `peer` may be asked one more question.
    pub(crate) fn may_ask(&self, peer: PeerId, protocol: Protocol) -> bool {
        let of_peer = self
            .asked
            .iter()
            .filter(|((of, _), (_, whom))| *of == protocol && *whom == peer)
            .count();
        of_peer < REQUESTS_PER_PEER_MAX && self.asked.len() < REQUESTS_MAX
    }

    pub(crate) fn asked(
        &mut self,
        protocol: Protocol,
        id: Asked,
        request: RequestId,
        peer: PeerId,
    ) {
        self.asked.insert((protocol, id), (request, peer));
    }

    /// The question that came to its end.
    pub(crate) fn ended(&mut self, protocol: Protocol, id: Asked) -> Option<RequestId> {
        self.asked
            .remove(&(protocol, id))
            .map(|(request, _)| request)
    }

    /// A place for a peer's question, if one is free.
    pub(crate) fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    /// Counts an answer of `bytes`, or refuses it.
    pub(crate) fn owe(&mut self, protocol: Protocol, id: Owed, peer: PeerId, bytes: usize) -> bool {
        let sum = |of: Option<PeerId>| -> usize {
            let counted = self
                .answers
                .values()
                .filter(|(to, _)| of.is_none_or(|of| of == *to));
            counted.map(|(_, bytes)| bytes).sum()
        };
        let fits = sum(Some(peer)) + bytes <= RESPONSE_BYTES_PER_PEER_MAX
            && sum(None) + bytes <= RESPONSE_BYTES_MAX;
        if fits {
            self.answers.insert((protocol, id), (peer, bytes));
        }
        fits
    }

    /// An answer left, or never will.
    pub(crate) fn paid(&mut self, protocol: Protocol, id: Owed) {
        self.answers.remove(&(protocol, id));
    }

    /// Answers to a peer that is gone.
    pub(crate) fn forget(&mut self, peer: PeerId) {
        self.answers.retain(|_, (to, _)| *to != peer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(number: u8) -> PeerId {
        PeerId::from_bytes([number; 32])
    }

    #[test]
    fn questions_are_capped_per_peer_and_protocol_and_in_all() {
        let mut exchanges = Exchanges::<u64, u64>::new();
        let mut id = 0;
        let mut ask = |exchanges: &mut Exchanges<u64, u64>, peer, protocol| {
            let may = exchanges.may_ask(peer, protocol);
            if may {
                id += 1;
                exchanges.asked(protocol, id, RequestId(id), peer);
            }
            may
        };
        for _ in 0..REQUESTS_PER_PEER_MAX {
            assert!(ask(&mut exchanges, peer(0), Protocol::Bodies));
        }
        assert!(!ask(&mut exchanges, peer(0), Protocol::Bodies));
        assert!(ask(&mut exchanges, peer(0), Protocol::Headers));
        assert_eq!(exchanges.ended(Protocol::Bodies, 1), Some(RequestId(1)));
        assert_eq!(exchanges.ended(Protocol::Bodies, 1), None);
        assert!(ask(&mut exchanges, peer(0), Protocol::Bodies));
        let accepted =
            (1..=255).filter(|number| ask(&mut exchanges, peer(*number), Protocol::Missing));
        assert_eq!(accepted.count(), REQUESTS_MAX - REQUESTS_PER_PEER_MAX - 1);
    }

    #[test]
    fn answers_on_their_way_are_bounded_per_peer_and_in_all() {
        let mut exchanges = Exchanges::<u64, u64>::new();
        let whole = RESPONSE_BYTES_PER_PEER_MAX;
        assert!(exchanges.owe(Protocol::Bodies, 1, peer(1), whole - 1));
        assert!(exchanges.owe(Protocol::Headers, 1, peer(1), 1));
        assert!(!exchanges.owe(Protocol::Headers, 2, peer(1), 1));
        exchanges.paid(Protocol::Headers, 1);
        assert!(exchanges.owe(Protocol::Headers, 2, peer(1), 1));
        let peers = u8::try_from(RESPONSE_BYTES_MAX / whole).expect("few");
        for number in 2..=peers {
            assert!(exchanges.owe(Protocol::Bodies, u64::from(number), peer(number), whole));
        }
        assert!(!exchanges.owe(Protocol::Bodies, 99, peer(200), 1));
        exchanges.forget(peer(1));
        assert!(exchanges.owe(Protocol::Bodies, 99, peer(200), 1));
    }

    #[test]
    fn questions_in_the_nodes_hands_are_bounded_and_a_dropped_place_is_free_again() {
        let exchanges = Exchanges::<u64, u64>::new();
        let places: Vec<_> = std::iter::from_fn(|| exchanges.place()).collect();
        assert_eq!(places.len(), INBOUND_REQUESTS_MAX);
        drop(places);
        assert!(exchanges.place().is_some());
    }
}
