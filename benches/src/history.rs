//! Chains full of messages, in a real store: what the measurements check, import, scan and weigh.
//!
//! # Invariants
//! * Every block goes through the four public functions of `consensus` and one commit; nothing is
//!   skipped.
//! * Deterministic, but for the name of the folder: keys and contents follow from a number. Contents
//!   look like sealed ones: they cannot be compressed.
//!
//! # Spec
//! docs/spec/02-blocks.md, docs/spec/04-envelopes.md, docs/spec/13-storage.md
//!
//! # Not here
//! What is measured: `benches/`.

use std::collections::BTreeSet;
use std::path::Path;

use chain::envelope::{Auth, ClearPayment, EnvelopeKind, SizeClass};
use chain::hash::{Context, derive_into};
use chain::transaction::{Order, Output, Prefix, Signed, Transfer};
use chain::{
    AccountId, Amount, Block, BlockId, Body, Envelope, EnvelopeBytes, Hash32, Header, Height,
    PublicKey, Signature, Transaction,
};
use consensus::block::{VerifiedSet, check_block};
use consensus::difficulty::Target;
use consensus::envelope::check_envelope;
use consensus::header::check_header;
use consensus::pow::{Solver, check_pow};
use consensus::stamp::{self, StampSearch};
use consensus::transaction::check_transaction;
use consensus::{
    AppliedBlock, CheckedBlock, CheckedEnvelope, CheckedHeader, Draft, HeaderContext, reward,
    state, transition,
};
use genesis::{Params, Pow};
use messenger::Messenger;
use rayon::prelude::*;
use secp256k1::Keypair;
use store::{Durability, Options, Store};
use tempfile::TempDir;

/// Context of the keys and contents made here.
static CONTEXT: Context = Context::new("ChainChat benches: keys and contents");

/// Where the one-time key stands in an envelope (docs/spec/04-envelopes.md §1).
const ONE_TIME_KEY: usize = 12;

/// What admits the messages of a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Nothing but the signature: regtest alone.
    Free,
    /// An Equi-X stamp of the lowest effort.
    Stamp,
    /// A transparent payment by [`History::payer`].
    Payment,
}

/// A chain from genesis on, and the store that holds it.
#[derive(Debug)]
pub struct History {
    // Closed before its folder is removed.
    store: Store,
    folder: TempDir,
    params: Params,
    blocks: Vec<Block>,
    ids: Vec<BlockId>,
    messages: u64,
}

impl History {
    /// The genesis of `params`, which must be of regtest's proof of work, in a fresh folder. Blocks
    /// are written as in an import of history.
    ///
    /// # Panics
    /// Here and below: if the disk refuses, or if a rule is broken.
    #[must_use]
    pub fn new(params: &Params) -> Self {
        assert_eq!(params.pow, Pow::Blake3, "blocks are made at once");
        let folder = tempfile::tempdir().expect("a temporary folder");
        Self {
            store: open(folder.path(), params),
            folder,
            params: params.clone(),
            blocks: Vec::new(),
            ids: vec![params.genesis_id()],
            messages: 0,
        }
    }

    /// Its numbers.
    #[must_use]
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// Its store.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Folder of its store.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its blocks above genesis.
    #[must_use]
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// Envelopes in it.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// Id of its last block.
    #[must_use]
    pub fn tip(&self) -> BlockId {
        *self.ids.last().expect("genesis is always there")
    }

    /// Who is paid for every block, and pays for transfers and envelopes.
    #[must_use]
    pub fn payer() -> Keypair {
        keypair(b"payer", 0)
    }

    /// The account of [`History::payer`].
    #[must_use]
    pub fn payer_account() -> AccountId {
        AccountId::from(&PublicKey::from(&Self::payer()))
    }

    /// Id of the block at `height`.
    #[must_use]
    pub fn id_at(&self, height: Height) -> Option<BlockId> {
        self.ids.get(usize::try_from(height.get()).ok()?).copied()
    }

    /// Headers of all blocks above genesis, checked one after the other.
    #[must_use]
    pub fn checked_headers(&self) -> Vec<CheckedHeader> {
        let mut before = vec![self.params.genesis().header];
        let mut checked = Vec::new();
        for block in &self.blocks {
            checked.push(check(&block.header, &before, &self.params));
            before.push(block.header);
        }
        checked
    }

    /// Checks a header on top.
    #[must_use]
    pub fn check_header(&self, header: &Header) -> CheckedHeader {
        let mut before: Vec<Header> = vec![self.params.genesis().header];
        let above = self.blocks.len().saturating_sub(2);
        before.extend(self.blocks[above..].iter().map(|block| block.header));
        check(header, &before, &self.params)
    }

    /// The costly half of a block's way: all rules that need no state.
    #[must_use]
    pub fn check_body(
        &self,
        body: Body,
        header: &CheckedHeader,
        seen: &impl VerifiedSet,
    ) -> CheckedBlock {
        let branch = |height| self.id_at(height);
        check_block(body, header, &branch, &self.params, seen).expect("a valid body")
    }

    /// Applies a checked block to the state after the tip, root of the new state included.
    #[must_use]
    pub fn apply(&self, checked: CheckedBlock) -> AppliedBlock {
        let view = self.store.view().expect("a tip");
        transition::apply(&view, checked, &self.params).expect("valid after the tip")
    }

    /// Takes a block of another history of the same numbers: header, body, state, disk.
    pub fn import(&mut self, block: Block) {
        self.take(block, &BTreeSet::new());
    }

    /// Mines `blocks` blocks of `per_block` small messages each.
    pub fn mine_messages(&mut self, admission: Admission, blocks: u64, per_block: u64) {
        for _ in 0..blocks {
            let envelopes = self.messages_for_the_next_block(admission, per_block);
            self.mine(&[], &envelopes);
        }
    }

    /// Mines a block with these items.
    pub fn mine(&mut self, transactions: &[Transaction], envelopes: &[Envelope]) -> &Block {
        let (block, seen) = self.build(transactions, envelopes);
        self.take(block, &seen);
        self.blocks.last().expect("just mined")
    }

    /// A solved block with these items on top, not taken, and the names of its verified items.
    #[must_use]
    pub fn build(
        &self,
        transactions: &[Transaction],
        envelopes: &[Envelope],
    ) -> (Block, BTreeSet<Hash32>) {
        let view = self.store.view().expect("a tip");
        let branch = |height| self.id_at(height);
        let mut draft = Draft::new(&view, &self.params).expect("a readable state");
        let mut seen = BTreeSet::new();
        for transaction in transactions {
            let checked = check_transaction(transaction.clone(), &branch, &self.params);
            let checked = checked.expect("a valid transaction");
            draft.try_transaction(&checked).expect("room for it");
            seen.insert(*checked.verified_id());
        }
        let checked: Vec<CheckedEnvelope> = envelopes
            .par_iter()
            .map(|envelope| check_envelope(envelope.to_bytes(), &branch, &self.params))
            .collect::<Result<_, _>>()
            .expect("valid envelopes");
        for envelope in &checked {
            draft.try_envelope(envelope).expect("room for it");
            seen.insert(*envelope.verified_id());
        }
        let time = draft.parent().time.checked_add(1_000);
        let time = time.expect("before the end of time");
        let block = draft.into_block(Self::payer_account(), time);
        let mut block = block.expect("a readable state");
        solve(&mut block.header, self.params.pow);
        (block, seen)
    }

    fn take(&mut self, block: Block, seen: &BTreeSet<Hash32>) {
        let header = self.check_header(&block.header);
        let kept = block.clone();
        let checked = self.check_body(block.body, &header, seen);
        let applied = self.apply(checked);
        self.store.connect(&applied).expect("room on the disk");
        self.messages += kept.body.envelopes.len() as u64;
        self.ids.push(*applied.id());
        self.blocks.push(kept);
    }

    /// Probes every one-time key from `from` up to the tip, read from disk; how many there were.
    pub fn probe(&self, reader: &mut Messenger, from: Height) -> u64 {
        let view = self.store.view().expect("a tip");
        let end = view.tip().height.next().expect("a short chain");
        let (mut probed, mut keys) = (0, Vec::new());
        for body in view.bodies(from..end) {
            let (height, body) = body.expect("undamaged");
            keys.clear();
            keys.extend(body.envelopes.iter().map(one_time_key));
            probed += keys.len() as u64;
            std::hint::black_box(reader.probe_block(height, &keys));
        }
        probed
    }

    /// Small messages that the next block takes, each under a one-time key of its own.
    #[must_use]
    pub fn messages_for_the_next_block(&self, admission: Admission, count: u64) -> Vec<Envelope> {
        let numbers = self.messages..self.messages + count;
        let mut messages: Vec<Message> = numbers
            .into_par_iter()
            .map(|number| self.message(number))
            .collect();
        match admission {
            Admission::Free => {}
            Admission::Stamp => self.stamp(&mut messages),
            Admission::Payment => self.pay(&mut messages),
        }
        let chain = self.params.chain_id();
        let sign = |mut message: Message| {
            let Message { envelope, keypair } = &mut message;
            envelope.sign(&chain, keypair, &[0; 32]);
            message.envelope
        };
        messages.into_par_iter().map(sign).collect()
    }

    fn message(&self, number: u64) -> Message {
        let (kind, class) = (EnvelopeKind::Message, SizeClass::SMALLEST);
        let keypair = keypair(b"one-time", number);
        let (mut salt, mut body) = ([0; 16], vec![0; Envelope::body_len(kind, class)]);
        derive_into(&CONTEXT, &[b"salt", &number.to_le_bytes()], &mut salt);
        derive_into(&CONTEXT, &[b"body", &number.to_le_bytes()], &mut body);
        let envelope = Envelope {
            kind,
            class,
            net: self.params.chain_id().net(),
            rate_epoch: self.params.rate_epoch(Height::new(self.ids.len() as u64)),
            one_time_key: PublicKey::from(&keypair),
            salt,
            body,
            auth: Auth::None,
            signature: Signature::default(),
        };
        Message { envelope, keypair }
    }

    fn stamp(&self, messages: &mut [Message]) {
        let reference = stamp::reference_at(Height::new(self.blocks.len() as u64));
        let block = self.id_at(reference).expect("an ancestor");
        let effort = self.params.stamp_effort_min;
        let find = |solver: &mut Solver, message: &mut Message| {
            let commitment = *message.envelope.core_hash().as_bytes();
            let search = StampSearch::new(commitment, reference, block, effort, [0; 16]);
            let mut search = search.expect("a short chain");
            let stamp = std::iter::repeat_with(|| search.step(solver)).find_map(|found| found);
            message.envelope.auth = Auth::Stamp(stamp.expect("an endless search"));
        };
        messages.par_iter_mut().for_each_init(Solver::new, find);
    }

    fn pay(&self, messages: &mut [Message]) {
        let view = self.store.view().expect("a tip");
        let account = state::value::account(&view, &Self::payer_account()).expect("readable");
        let prices = state::value::prices(&view).expect("readable");
        let chain = self.params.chain_id();
        for (nonce, Message { envelope, .. }) in (account.nonce..).zip(messages) {
            let mut prices = prices.iter();
            let price = prices.find(|price| price.epoch == envelope.rate_epoch);
            let kib = price.expect("the next block's epoch has a price").kib;
            let burn = reward::fee(reward::burn_units(envelope.class), kib);
            let (core, burn) = (envelope.core_hash(), burn.expect("affordable"));
            let payment =
                ClearPayment::signed(&core, nonce, burn, &chain, &Self::payer(), &[0; 32]);
            envelope.auth = Auth::Clear(payment);
        }
    }

    /// Transfers by the payer to accounts that nobody has used before, for the next block.
    #[must_use]
    pub fn transfers_for_the_next_block(&self, count: u64) -> Vec<Transaction> {
        let view = self.store.view().expect("a tip");
        let account = state::value::account(&view, &Self::payer_account()).expect("readable");
        let payer = Self::payer();
        let transfer = |nonce: u64| {
            let mut to = [0; 20];
            derive_into(&CONTEXT, &[b"payee", &nonce.to_le_bytes()], &mut to);
            let prefix = Prefix {
                sender: PublicKey::from(&payer),
                nonce,
                max_fee: Amount::from_base(10_000),
                tip: Amount::ZERO,
            };
            let output = Output {
                to: AccountId::from_bytes(to),
                amount: Amount::from_base(7),
            };
            let order = Signed {
                prefix,
                body: Transfer {
                    outputs: vec![output],
                },
                signature: Signature::default(),
            };
            let chain = self.params.chain_id();
            Transaction::signed(Order::Transfer(order), &chain, &payer, &[0; 32])
        };
        (account.nonce..account.nonce + count)
            .map(transfer)
            .collect()
    }
}

/// The one-time key of an envelope that is known to be one, at its fixed place.
fn one_time_key(bytes: &EnvelopeBytes) -> PublicKey {
    let key = bytes.as_slice().get(ONE_TIME_KEY..ONE_TIME_KEY + 32);
    PublicKey::from_bytes(
        key.and_then(|key| key.try_into().ok())
            .expect("an envelope"),
    )
}

/// An envelope in the making.
struct Message {
    envelope: Envelope,
    keypair: Keypair,
}

/// A store that is written as in an import of history.
///
/// # Panics
/// If the folder is refused.
#[must_use]
pub fn open(folder: &Path, params: &Params) -> Store {
    let options = Options {
        durability: Durability::Buffered,
        ..Options::default()
    };
    Store::open(folder, params, options).expect("a folder of ours")
}

/// Checks a header after those `before` it, of which the last two count.
fn check(header: &Header, before: &[Header], params: &Params) -> CheckedHeader {
    let mut last = before.iter().rev().copied();
    let parent = last.next().expect("genesis comes before");
    let context = HeaderContext::new(parent, last.next()).expect("checked headers");
    check_header(header, &context, params, header.time).expect("a valid header")
}

/// Searches the nonce of a network without a puzzle.
fn solve(header: &mut Header, pow: Pow) {
    let target = Target::from_compact(header.target).expect("a computed target");
    while check_pow(header, target, pow).is_err() {
        header.nonce += 1;
    }
}

fn keypair(role: &[u8], number: u64) -> Keypair {
    let mut secret = [0; 32];
    derive_into(&CONTEXT, &[role, &number.to_le_bytes()], &mut secret);
    Keypair::from_secret_bytes(secret).expect("a hash is a valid secret")
}
