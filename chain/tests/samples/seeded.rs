//! Values of every type of this crate from a seed: the same seed, the same value, for ever.
//!
//! # Invariants
//! `conformance.toml` freezes hashes of these values; a change of the order in which random numbers
//! are drawn here changes all of them.
//!
//! # Not here
//! Fixed values with names: `vectors/`.

use chain::envelope::{Auth, ClearPayment, CreditSpend, EnvelopeKind, RateLimitProof, SizeClass};
use chain::evidence::{DoubleVote, Evidence, FinalityConflict, SignedLink};
use chain::finality::{FinalityGroup, FinalitySignature, FinalityVote};
use chain::record::{AccountRecord, InboxKey, Stamp};
use chain::transaction::{
    Bond, MnExit, MnRegister, MnRevive, Order, Output, Prefix, RecordUpdate, ServiceAddress,
    Signed, Transfer, Unbond, Wake,
};
use chain::units::{BondId, CheckpointNumber, CompactTarget, MasternodeId, RateEpoch};
use chain::vote::{IncludedVote, Vote};
use chain::{
    AccountId, Amount, Aux, Block, BlockId, Body, Envelope, EnvelopeBytes, Hash32, Header, Height,
    PublicKey, Signature, Timestamp, Transaction, codec,
};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Draws values from a seed.
pub(crate) struct Seeded(ChaCha20Rng);

impl Seeded {
    /// The stream of `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        Self(ChaCha20Rng::seed_from_u64(seed))
    }

    /// Encoding of a value of the type with this name (see `decoders.rs`).
    pub(crate) fn encoded(&mut self, name: &str) -> Vec<u8> {
        match name {
            "header" => codec::encode(&self.header()),
            "transaction" => codec::encode(&self.transaction()),
            "bond" => codec::encode(&self.order(Self::bond)),
            "unbond" => codec::encode(&self.order(Self::unbond)),
            "wake" => codec::encode(&self.order(Self::wake)),
            "mn_register" => codec::encode(&self.order(Self::registration)),
            "mn_revive" => codec::encode(&self.order(Self::revival)),
            "mn_exit" => codec::encode(&self.order(Self::exit)),
            "account_record" => codec::encode(&self.record()),
            "stamp" => codec::encode(&self.stamp()),
            "vote" => codec::encode(&self.vote()),
            "included_vote" => codec::encode(&self.included_vote()),
            "finality_vote" => codec::encode(&self.finality_vote()),
            "finality_group" => codec::encode(&self.finality_group()),
            "evidence" => codec::encode(&self.evidence()),
            "aux" => codec::encode(&self.aux()),
            "body" => codec::encode(&self.body()),
            "block" => codec::encode(&Block {
                header: self.header(),
                body: self.body(),
            }),
            "envelope_bytes" => codec::encode(&self.envelope().to_bytes()),
            "rate_limit_proof" => codec::encode(&self.rate_limit_proof()),
            "credit_spend" => codec::encode(&self.credit_spend()),
            "clear_payment" => codec::encode(&self.clear_payment()),
            "envelope" => self.envelope().to_bytes().as_slice().to_vec(),
            _ => panic!("no sample is named {name}"),
        }
    }

    /// `N` random bytes.
    pub(crate) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.fill_bytes(&mut bytes);
        bytes
    }

    /// `len` random bytes.
    pub(crate) fn byte_string(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.0.fill_bytes(&mut bytes);
        bytes
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        self.0.next_u32() % bound
    }

    /// An index below `len`.
    pub(crate) fn index(&mut self, len: usize) -> usize {
        self.below(u32::try_from(len).expect("samples are short")) as usize
    }

    /// A number, with the edges more often than chance has them.
    pub(crate) fn number(&mut self) -> u64 {
        match self.below(8) {
            0 => 0,
            1 => u64::MAX,
            2 => u64::from(self.0.next_u32()),
            _ => self.0.next_u64(),
        }
    }

    fn small(&mut self) -> u32 {
        match self.below(8) {
            0 => 0,
            1 => u32::MAX,
            _ => self.0.next_u32(),
        }
    }

    fn list<T>(&mut self, len_max: u32, mut item: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let len = self.below(len_max + 1);
        (0..len).map(|_| item(self)).collect()
    }

    fn signature(&mut self) -> Signature {
        Signature::from_bytes(self.bytes())
    }

    fn amount(&mut self) -> Amount {
        Amount::from_base(self.number())
    }

    fn hash(&mut self) -> Hash32 {
        Hash32::from_bytes(self.bytes())
    }

    fn block_id(&mut self) -> BlockId {
        BlockId::from_bytes(self.bytes())
    }

    fn header(&mut self) -> Header {
        Header {
            version: self.small(),
            height: Height::new(self.number()),
            parent: self.block_id(),
            time: Timestamp::new(self.number()),
            target: CompactTarget::new(self.small()),
            pow_count: self.number(),
            tx_root: self.hash(),
            envelope_root: self.hash(),
            aux_root: self.hash(),
            state_root: self.hash(),
            supply: self.amount(),
            justified: CheckpointNumber::new(self.small()),
            finalized: CheckpointNumber::new(self.small()),
            payout: AccountId::from_bytes(self.bytes()),
            pow_commit: self.bytes(),
            nonce: self.number(),
            extra: self.number(),
            solution: self.bytes(),
        }
    }

    fn transaction(&mut self) -> Transaction {
        let order = match self.below(8) {
            0 | 1 => Order::Transfer(self.order(Self::transfer)),
            2 => Order::Bond(self.order(Self::bond)),
            3 => Order::Unbond(self.order(Self::unbond)),
            4 => Order::Wake(self.order(Self::wake)),
            5 => Order::MnRegister(self.order(Self::registration)),
            6 => match self.below(2) {
                0 => Order::MnRevive(self.order(Self::revival)),
                _ => Order::MnExit(self.order(Self::exit)),
            },
            _ => Order::AccountRecord(self.order(Self::record_update)),
        };
        Transaction {
            version: self.bytes::<1>()[0],
            order,
        }
    }

    fn order<B>(&mut self, body: impl FnOnce(&mut Self) -> B) -> Signed<B> {
        let prefix = Prefix {
            sender: self.key(),
            nonce: self.number(),
            max_fee: self.amount(),
            tip: self.amount(),
        };
        Signed {
            prefix,
            body: body(self),
            signature: self.signature(),
        }
    }

    fn key(&mut self) -> PublicKey {
        PublicKey::from_bytes(self.bytes())
    }

    fn transfer(&mut self) -> Transfer {
        let outputs = self.list(5, |seeded| Output {
            to: AccountId::from_bytes(seeded.bytes()),
            amount: seeded.amount(),
        });
        Transfer { outputs }
    }

    fn bond(&mut self) -> Bond {
        Bond {
            vote_key: self.key(),
            amount: self.amount(),
            possession: self.signature(),
        }
    }

    fn unbond(&mut self) -> Unbond {
        let bond = BondId::new(self.small());
        Unbond { bond }
    }

    fn wake(&mut self) -> Wake {
        let bond = BondId::new(self.small());
        Wake { bond }
    }

    fn registration(&mut self) -> MnRegister {
        MnRegister {
            operator_key: self.key(),
            voting_key: self.key(),
            payout: AccountId::from_bytes(self.bytes()),
            address: ServiceAddress {
                ip: self.bytes(),
                port: u16::from_le_bytes(self.bytes()),
            },
            service: self.small(),
            operator_possession: self.signature(),
            voting_possession: self.signature(),
        }
    }

    fn revival(&mut self) -> MnRevive {
        let masternode = MasternodeId::new(self.small());
        MnRevive { masternode }
    }

    fn exit(&mut self) -> MnExit {
        let masternode = MasternodeId::new(self.small());
        MnExit { masternode }
    }

    fn record_update(&mut self) -> RecordUpdate {
        let record = self.record();
        let stamp = (self.below(2) == 1).then(|| self.stamp());
        RecordUpdate { record, stamp }
    }

    fn record(&mut self) -> AccountRecord {
        AccountRecord {
            version: self.bytes::<1>()[0],
            key: PublicKey::from_bytes(self.bytes()),
            inbox_generation: self.small(),
            inbox_key: InboxKey::from_bytes(self.bytes()),
            valid_from: self.small(),
            valid_to: self.small(),
            flags: u16::from_le_bytes(self.bytes()),
            name_hash: self.bytes(),
            previous: self.bytes(),
            signature: self.signature(),
        }
    }

    fn stamp(&mut self) -> Stamp {
        Stamp {
            effort: self.small(),
            reference: self.small(),
            nonce: self.bytes(),
            solution: self.bytes(),
        }
    }

    fn vote(&mut self) -> Vote {
        Vote {
            height: Height::new(self.number()),
            block: self.block_id(),
            bond: BondId::new(self.small()),
            signature: self.signature(),
        }
    }

    fn included_vote(&mut self) -> IncludedVote {
        let back = self.bytes::<1>()[0];
        IncludedVote {
            back,
            bond: BondId::new(self.small()),
            signature: self.signature(),
        }
    }

    fn finality_vote(&mut self) -> FinalityVote {
        FinalityVote {
            source: CheckpointNumber::new(self.small()),
            target: CheckpointNumber::new(self.small()),
            target_id: self.block_id(),
            masternode: MasternodeId::new(self.small()),
            signature: self.signature(),
        }
    }

    fn finality_group(&mut self) -> FinalityGroup {
        FinalityGroup {
            target: CheckpointNumber::new(self.small()),
            signatures: self.list(5, |seeded| FinalitySignature {
                masternode: MasternodeId::new(seeded.small()),
                signature: seeded.signature(),
            }),
        }
    }

    fn signed_link(&mut self) -> SignedLink {
        SignedLink {
            source: CheckpointNumber::new(self.small()),
            target: CheckpointNumber::new(self.small()),
            target_id: self.block_id(),
            signature: self.signature(),
        }
    }

    fn evidence(&mut self) -> Evidence {
        if self.below(2) == 0 {
            Evidence::DoubleVote(DoubleVote {
                bond: BondId::new(self.small()),
                height: Height::new(self.number()),
                block_a: self.block_id(),
                signature_a: self.signature(),
                block_b: self.block_id(),
                signature_b: self.signature(),
            })
        } else {
            Evidence::FinalityConflict(FinalityConflict {
                masternode: MasternodeId::new(self.small()),
                first: self.signed_link(),
                second: self.signed_link(),
            })
        }
    }

    fn aux(&mut self) -> Aux {
        Aux {
            uncles: self.list(2, Self::header),
            votes: self.list(4, Self::included_vote),
            finality: self.list(2, Self::finality_group),
            evidence: self.list(2, Self::evidence),
        }
    }

    fn body(&mut self) -> Body {
        Body {
            transactions: self.list(3, Self::transaction),
            envelopes: self.list(3, |seeded| match seeded.below(2) {
                0 => seeded.envelope().to_bytes(),
                _ => {
                    let len = seeded.below(40) as usize;
                    EnvelopeBytes::new(seeded.byte_string(len))
                }
            }),
            aux: self.aux(),
        }
    }

    fn rate_limit_proof(&mut self) -> RateLimitProof {
        RateLimitProof {
            nullifier: self.bytes(),
            y: self.bytes(),
            proof: self.bytes(),
        }
    }

    fn credit_spend(&mut self) -> CreditSpend {
        CreditSpend {
            nullifier: self.bytes(),
            change: self.bytes(),
            proof: self.bytes(),
        }
    }

    fn clear_payment(&mut self) -> ClearPayment {
        ClearPayment {
            payer: PublicKey::from_bytes(self.bytes()),
            nonce: self.number(),
            burn: self.amount(),
            signature: self.signature(),
        }
    }

    fn envelope(&mut self) -> Envelope {
        let kinds = [
            EnvelopeKind::Message,
            EnvelopeKind::Inbox,
            EnvelopeKind::Blob,
        ];
        let kind = kinds[self.index(kinds.len())];
        // Small classes more often, so that a thousand samples stay cheap.
        let class_max = if self.below(8) == 0 { 9 } else { 2 };
        let class = u8::try_from(self.below(class_max)).expect("a class is below 9");
        let class = SizeClass::new(class).expect("a class is below 9");
        let auth = match self.below(5) {
            0 => Auth::None,
            1 => Auth::RateLimit(self.rate_limit_proof()),
            2 => Auth::Stamp(self.stamp()),
            3 => Auth::Credit(self.credit_spend()),
            _ => Auth::Clear(self.clear_payment()),
        };
        Envelope {
            kind,
            class,
            net: self.bytes(),
            rate_epoch: RateEpoch::new(self.small()),
            one_time_key: PublicKey::from_bytes(self.bytes()),
            salt: self.bytes(),
            body: self.byte_string(Envelope::body_len(kind, class)),
            auth,
            signature: self.signature(),
        }
    }
}
