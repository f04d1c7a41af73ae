//! Owners and one-time keys that sign what stands in the blocks of a test.
//!
//! # Invariants
//! Keys follow from a number; signatures use no randomness.
//!
//! # Spec
//! docs/spec/03-transactions.md, docs/spec/04-envelopes.md
//!
//! # Not here
//! Real keys: `wallet`, `messenger`.

use chain::envelope::{Auth, ClearPayment, EnvelopeKind, SizeClass};
use chain::record::{AccountRecord, InboxKey, Stamp};
use chain::transaction::{
    Bond, MnRegister, Order, Output, Prefix, RecordUpdate, ServiceAddress, Signed, Transfer, kind,
    possession,
};
use chain::units::RateEpoch;
use chain::{AccountId, Amount, Envelope, PublicKey, Signature, Transaction};
use genesis::Params;
use secp256k1::Keypair;

/// Somebody with an account.
#[derive(Clone, Debug)]
pub struct Owner {
    keypair: Keypair,
}

impl Owner {
    /// The owner with this number; different numbers have different keys.
    #[must_use]
    pub fn new(number: u64) -> Self {
        Self {
            keypair: keypair(b"owner", number),
        }
    }

    /// Both halves of the key.
    #[must_use]
    pub fn keypair(&self) -> &Keypair {
        &self.keypair
    }

    /// Public key.
    #[must_use]
    pub fn key(&self) -> PublicKey {
        PublicKey::from(&self.keypair)
    }

    /// Account.
    #[must_use]
    pub fn account(&self) -> AccountId {
        AccountId::from(&self.key())
    }

    /// The prefix of an order that offers `max_fee` and no tip.
    #[must_use]
    pub fn prefix(&self, nonce: u64, max_fee: Amount) -> Prefix {
        Prefix {
            sender: self.key(),
            nonce,
            max_fee,
            tip: Amount::ZERO,
        }
    }

    /// A signed transfer.
    #[must_use]
    pub fn transfer(
        &self,
        params: &Params,
        prefix: Prefix,
        outputs: &[(AccountId, Amount)],
    ) -> Transaction {
        let outputs = outputs.iter().map(|(to, amount)| Output {
            to: *to,
            amount: *amount,
        });
        let body = Transfer {
            outputs: outputs.collect(),
        };
        self.order(params, prefix, body, Order::Transfer)
    }

    /// A signed record, to replace `before`.
    #[must_use]
    pub fn record(&self, params: &Params, before: Option<&AccountRecord>) -> AccountRecord {
        let record = AccountRecord {
            version: AccountRecord::VERSION,
            key: self.key(),
            inbox_generation: before.map_or(0, |before| before.inbox_generation + 1),
            inbox_key: InboxKey::from_bytes([7; InboxKey::BYTES]),
            valid_from: 0,
            valid_to: u32::MAX,
            flags: 0,
            name_hash: [0; 32],
            previous: before.map(AccountRecord::link).unwrap_or_default(),
            signature: Signature::default(),
        };
        self.sign_record(params, record)
    }

    /// Signs a record, after a change.
    #[must_use]
    pub fn sign_record(&self, params: &Params, record: AccountRecord) -> AccountRecord {
        record.signed(&params.chain_id(), &self.keypair, &[0; 32])
    }

    /// A signed order that sets a record.
    #[must_use]
    pub fn set_record(
        &self,
        params: &Params,
        prefix: Prefix,
        record: AccountRecord,
        stamp: Option<Stamp>,
    ) -> Transaction {
        let body = RecordUpdate { record, stamp };
        self.order(params, prefix, body, Order::AccountRecord)
    }

    /// The bond of `amount` that an order with this prefix makes, for votes by `voter`.
    #[must_use]
    pub fn bond(params: &Params, prefix: &Prefix, voter: &Self, amount: Amount) -> Bond {
        Bond {
            vote_key: voter.key(),
            amount,
            possession: voter.prove_possession(params, kind::BOND, prefix),
        }
    }

    /// The masternode that an order with this prefix registers: paid to its operator, reached
    /// nowhere.
    #[must_use]
    pub fn registration(
        params: &Params,
        prefix: &Prefix,
        operator: &Self,
        voter: &Self,
    ) -> MnRegister {
        let kind = kind::MN_REGISTER;
        MnRegister {
            operator_key: operator.key(),
            voting_key: voter.key(),
            payout: operator.account(),
            address: ServiceAddress::default(),
            service: 0,
            operator_possession: operator.prove_possession(params, kind, prefix),
            voting_possession: voter.prove_possession(params, kind, prefix),
        }
    }

    /// The owner's proof of possession for the order of this kind and prefix.
    #[must_use]
    pub fn prove_possession(&self, params: &Params, kind: u8, prefix: &Prefix) -> Signature {
        possession::sign(kind, prefix, &params.chain_id(), &self.keypair, &[0; 32])
    }

    /// A signed order with this prefix; `order` says of which kind the body is.
    #[must_use]
    pub fn order<B>(
        &self,
        params: &Params,
        prefix: Prefix,
        body: B,
        order: impl FnOnce(Signed<B>) -> Order,
    ) -> Transaction {
        let signature = Signature::default();
        let signed = Signed {
            prefix,
            body,
            signature,
        };
        self.sign(params, order(signed))
    }

    /// Signs an order.
    #[must_use]
    pub fn sign(&self, params: &Params, order: Order) -> Transaction {
        Transaction::signed(order, &params.chain_id(), &self.keypair, &[0; 32])
    }

    /// Pays for an envelope, which is signed anew.
    pub fn pay(&self, params: &Params, envelope: &mut TestEnvelope, nonce: u64, burn: Amount) {
        let (core, chain) = (envelope.envelope.core_hash(), params.chain_id());
        let payment = ClearPayment::signed(&core, nonce, burn, &chain, &self.keypair, &[0; 32]);
        envelope.authorise(params, Auth::Clear(payment));
    }
}

/// An envelope and the one-time key that signs it.
#[derive(Clone, Debug)]
pub struct TestEnvelope {
    /// The envelope.
    pub envelope: Envelope,
    keypair: Keypair,
}

impl TestEnvelope {
    /// An envelope without admission under the one-time key of this number; the body is filled with
    /// a byte of the number.
    #[must_use]
    pub fn new(
        params: &Params,
        epoch: RateEpoch,
        kind: EnvelopeKind,
        class: SizeClass,
        number: u64,
    ) -> Self {
        let keypair = keypair(b"one-time", number);
        let [fill, ..] = number.to_le_bytes();
        let envelope = Envelope {
            kind,
            class,
            net: params.chain_id().net(),
            rate_epoch: epoch,
            one_time_key: PublicKey::from(&keypair),
            salt: [0; 16],
            body: vec![fill; Envelope::body_len(kind, class)],
            auth: Auth::None,
            signature: Signature::default(),
        };
        let mut made = Self { envelope, keypair };
        made.sign(params);
        made
    }

    /// A small message.
    #[must_use]
    pub fn message(params: &Params, epoch: RateEpoch, number: u64) -> Self {
        Self::new(
            params,
            epoch,
            EnvelopeKind::Message,
            SizeClass::SMALLEST,
            number,
        )
    }

    /// Changes the admission and signs anew.
    pub fn authorise(&mut self, params: &Params, auth: Auth) {
        self.envelope.auth = auth;
        self.sign(params);
    }

    /// Signs anew, after a change.
    pub fn sign(&mut self, params: &Params) {
        self.envelope
            .sign(&params.chain_id(), &self.keypair, &[0; 32]);
    }
}

fn keypair(role: &[u8], number: u64) -> Keypair {
    let secret = chain::hash::blake3(&[role, &number.to_le_bytes()].concat());
    Keypair::from_secret_bytes(secret).expect("a hash is a valid secret")
}
