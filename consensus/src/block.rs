//! Whether a body belongs to its header and is valid by itself: all that needs no state.
//!
//! # Invariants
//! * A [`CheckedBlock`] passed every rule of this file, and each of its items those of its own
//!   file; only this file makes one.
//! * Cheapest first, for the whole body: sizes, roots, the form of all items, and only then the
//!   costly checks, in parallel. The answer does not depend on the number of threads: of several
//!   failures the first in the order of the body is named.
//! * What does not match the roots says nothing about the header ([`Rule::condemns_block`]).
//! * An item that was proved before skips its costly checks, and no others.
//!
//! # Spec
//! docs/spec/02-blocks.md §6, §9
//!
//! # Not here
//! Headers: [`crate::header`]. Everything that needs the state: [`crate::transition`].

use std::collections::BTreeSet;

use chain::evidence::Evidence;
use chain::{
    Aux, BlockId, Body, ChainId, EnvelopeBytes, Hash32, Header, Height, Transaction, codec, merkle,
};
use genesis::{Params, law};
use rayon::prelude::*;

use crate::envelope::{self, CheckedEnvelope};
use crate::error::Rule;
use crate::evidence;
use crate::header::CheckedHeader;
use crate::stamp::Branch;
use crate::transaction::{self, CheckedTransaction};

/// Items that were proved before: in the mempool, or in another block.
pub trait VerifiedSet: Sync {
    /// Whether a checked transaction or envelope had this `verified_id`.
    fn contains(&self, verified_id: &Hash32) -> bool;
}

impl VerifiedSet for BTreeSet<Hash32> {
    fn contains(&self, verified_id: &Hash32) -> bool {
        BTreeSet::contains(self, verified_id)
    }
}

/// A block that is valid by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedBlock {
    pub(crate) header: CheckedHeader,
    pub(crate) transactions: Vec<CheckedTransaction>,
    pub(crate) envelopes: Vec<CheckedEnvelope>,
    pub(crate) aux: Aux,
    pub(crate) body_bytes: u64,
}

impl CheckedBlock {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> &BlockId {
        self.header.id()
    }

    /// Its height.
    #[must_use]
    pub fn height(&self) -> Height {
        self.header.header().height
    }

    /// Its header.
    #[must_use]
    pub fn header(&self) -> &CheckedHeader {
        &self.header
    }

    /// Its transactions.
    #[must_use]
    pub fn transactions(&self) -> &[CheckedTransaction] {
        &self.transactions
    }

    /// Its envelopes.
    #[must_use]
    pub fn envelopes(&self) -> &[CheckedEnvelope] {
        &self.envelopes
    }

    /// Keys under which a [`VerifiedSet`] may keep its items.
    pub fn verified_ids(&self) -> impl Iterator<Item = &Hash32> {
        let transactions = self
            .transactions
            .iter()
            .map(CheckedTransaction::verified_id);
        transactions.chain(self.envelopes.iter().map(CheckedEnvelope::verified_id))
    }
}

/// Checks the body that came for a header. `branch` names the header's ancestors.
///
/// # Errors
/// The first rule it breaks, in the order named at the module head.
pub fn check_block(
    body: Body,
    header: &CheckedHeader,
    branch: &impl Branch,
    params: &Params,
    seen: &impl VerifiedSet,
) -> Result<CheckedBlock, Rule> {
    let body_bytes = check_sizes(&body)?;
    let Body {
        transactions,
        envelopes,
        aux,
    } = body;
    let envelopes = parse_envelopes(envelopes)?;
    check_roots(header.header(), &transactions, &envelopes, &aux)?;
    check_aux(&aux)?;
    let chain = params.chain_id();
    let transactions = first_failure(
        transactions
            .into_par_iter()
            .map(|tx| transaction::shape(tx, branch, params)),
    )?;
    let envelopes = first_failure(
        envelopes
            .into_par_iter()
            .map(|envelope| envelope.shape(branch, params, &chain)),
    )?;
    check_repetition(&transactions, &envelopes)?;
    let (transactions, envelopes) = prove(transactions, envelopes, &chain, seen)?;
    Ok(CheckedBlock {
        header: *header,
        transactions,
        envelopes,
        aux,
        body_bytes,
    })
}

/// All results, or the failure that comes first in the order of the items.
fn first_failure<T: Send>(
    results: impl IndexedParallelIterator<Item = Result<T, Rule>>,
) -> Result<Vec<T>, Rule> {
    // Collecting into one `Result` in parallel would name whichever failure is found first.
    let results: Vec<Result<T, Rule>> = results.collect();
    results.into_iter().collect()
}

fn check_sizes(body: &Body) -> Result<u64, Rule> {
    let found = codec::encoded_len(body);
    if found > Body::BYTES_MAX {
        return Err(Rule::BodySize {
            max: Body::BYTES_MAX,
            found,
        });
    }
    // > "aux <= 64 KiB"
    let aux = codec::encoded_len(&body.aux);
    if aux > law::AUX_BYTES_MAX {
        return Err(Rule::AuxSize {
            max: law::AUX_BYTES_MAX,
            found: aux,
        });
    }
    Ok(u64::try_from(found).unwrap_or(u64::MAX))
}

/// An envelope that has no layout has no `wid` either: no header can name it.
fn parse_envelopes(envelopes: Vec<EnvelopeBytes>) -> Result<Vec<envelope::Parsed>, Rule> {
    first_failure(envelopes.into_par_iter().map(envelope::Parsed::new))
}

fn check_roots(
    header: &Header,
    transactions: &[Transaction],
    envelopes: &[envelope::Parsed],
    aux: &Aux,
) -> Result<(), Rule> {
    let leaves: Vec<Hash32> = transactions
        .par_iter()
        .map(|tx| merkle::leaf(&[&codec::encode(tx)]))
        .collect();
    if merkle::root(leaves) != header.tx_root {
        return Err(Rule::TxRoot);
    }
    let leaves = envelopes
        .iter()
        .map(|parsed| merkle::leaf(&[parsed.wire_id().as_bytes()]));
    if merkle::root(leaves) != header.envelope_root {
        return Err(Rule::EnvelopeRoot);
    }
    if aux.root() != header.aux_root {
        return Err(Rule::AuxRoot);
    }
    Ok(())
}

/// Number, order and form of the aux items; their meaning needs the state.
fn check_aux(aux: &Aux) -> Result<(), Rule> {
    check_uncles(&aux.uncles)?;
    check_votes(aux)?;
    check_finality(aux)?;
    check_evidence(&aux.evidence)
}

/// > "Uncles: ascending by id, different"
fn check_uncles(uncles: &[Header]) -> Result<(), Rule> {
    if uncles.len() > law::UNCLES_MAX {
        return Err(Rule::UncleCount {
            max: law::UNCLES_MAX,
            found: uncles.len(),
        });
    }
    if ascends(uncles.iter().map(Header::id)) {
        Ok(())
    } else {
        Err(Rule::UncleOrder)
    }
}

/// > "`back u8 = 1..8`; sorted by (back, bond), no duplicates; <= 16 seats of votes"
fn check_votes(aux: &Aux) -> Result<(), Rule> {
    if aux.votes.len() > law::VOTE_SEATS_MAX {
        return Err(Rule::VoteSeats {
            max: law::VOTE_SEATS_MAX,
            found: aux.votes.len(),
        });
    }
    let mut backs = aux.votes.iter().map(|vote| vote.back);
    if let Some(back) = backs.find(|back| !(1..=law::VOTE_BACK_MAX).contains(back)) {
        return Err(Rule::VoteBack { back });
    }
    let ascending = ascends(aux.votes.iter().map(|vote| (vote.back, vote.bond)));
    if ascending {
        Ok(())
    } else {
        Err(Rule::VoteOrder)
    }
}

/// > "groups ascend by target, members by mn; <= 256 finality signatures"
fn check_finality(aux: &Aux) -> Result<(), Rule> {
    let found = aux
        .finality
        .iter()
        .map(|group| group.signatures.len())
        .sum();
    if found > law::FINALITY_SIGNATURES_MAX {
        return Err(Rule::FinalityCount {
            max: law::FINALITY_SIGNATURES_MAX,
            found,
        });
    }
    let members_ascend = aux.finality.iter().all(|group| {
        !group.signatures.is_empty() && ascends(group.signatures.iter().map(|s| s.masternode))
    });
    if members_ascend && ascends(aux.finality.iter().map(|group| group.target)) {
        Ok(())
    } else {
        Err(Rule::FinalityOrder)
    }
}

/// Form, and one proof of one misdeed.
fn check_evidence(proofs: &[Evidence]) -> Result<(), Rule> {
    if proofs.len() > law::EVIDENCE_MAX {
        return Err(Rule::EvidenceCount {
            max: law::EVIDENCE_MAX,
            found: proofs.len(),
        });
    }
    let mut proved = BTreeSet::new();
    for proof in proofs {
        evidence::check_form(proof)?;
        if !proved.insert(evidence::misdeed(proof)) {
            return Err(Rule::EvidenceRepeated);
        }
    }
    Ok(())
}

fn ascends<T: Ord>(items: impl Iterator<Item = T>) -> bool {
    items.is_sorted_by(|before, after| before < after)
}

/// What no body may hold twice, whatever the state.
fn check_repetition(
    transactions: &[transaction::Shaped],
    envelopes: &[envelope::Shaped],
) -> Result<(), Rule> {
    let mut ids = BTreeSet::new();
    if let Some(repeated) = transactions.iter().find(|tx| !ids.insert(*tx.id())) {
        return Err(Rule::TransactionRepeated { id: *repeated.id() });
    }
    let mut keys = std::collections::BTreeMap::new();
    for envelope in envelopes {
        if let Some(epoch) = keys.insert(*envelope.one_time_key(), envelope.rate_epoch()) {
            return Err(Rule::OneTimeKeySeen { epoch });
        }
    }
    Ok(())
}

/// Either kind of item, so that one pool of threads works through all of them.
enum Item<T, E> {
    Transaction(T),
    Envelope(E),
}

/// The costly checks of all items that were not proved before.
fn prove(
    transactions: Vec<transaction::Shaped>,
    envelopes: Vec<envelope::Shaped>,
    chain: &ChainId,
    seen: &impl VerifiedSet,
) -> Result<(Vec<CheckedTransaction>, Vec<CheckedEnvelope>), Rule> {
    let transactions = transactions.into_iter().map(Item::Transaction);
    let items: Vec<_> = transactions
        .chain(envelopes.into_iter().map(Item::Envelope))
        .collect();
    let proved = first_failure(items.into_par_iter().map(|item| match item {
        Item::Transaction(tx) if seen.contains(tx.verified_id()) => {
            Ok(Item::Transaction(tx.proved_before()))
        }
        Item::Transaction(tx) => tx.prove(chain).map(Item::Transaction),
        Item::Envelope(envelope) if seen.contains(envelope.verified_id()) => {
            Ok(Item::Envelope(envelope.proved_before()))
        }
        Item::Envelope(envelope) => envelope.prove(chain).map(Item::Envelope),
    }))?;
    let (mut transactions, mut envelopes) = (Vec::new(), Vec::new());
    for item in proved {
        match item {
            Item::Transaction(tx) => transactions.push(tx),
            Item::Envelope(envelope) => envelopes.push(envelope),
        }
    }
    Ok((transactions, envelopes))
}

#[cfg(test)]
mod tests;
