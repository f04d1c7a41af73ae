//! The users of a host: envelopes and transfers.
//!
//! # Invariants
//! * Users sign real items; nothing that they submit is known to be invalid.
//! * A transfer that is not in a block is handed in again with the very same bytes, and no other
//!   ever takes its number: honest users do not contradict themselves.
//!
//! # Spec
//! docs/spec/03-transactions.md, docs/spec/04-envelopes.md
//!
//! # Not here
//! Who uses the network when: [`crate::world`].

use std::collections::BTreeMap;

use chain::envelope::{Auth, EnvelopeKind, SizeClass};
use chain::transaction::{Order, Output, Prefix, Signed, Transfer};
use chain::units::RateEpoch;
use chain::{AccountId, Amount, Envelope, EnvelopeBytes, PublicKey, Signature, Transaction};
use genesis::Params;
use secp256k1::Keypair;

/// Transfers of one account under way.
const UNDER_WAY_MAX: usize = 16;
/// Fee that a transfer offers at most (base units): far above the price of a KiB with an empty
/// supply, far below a block's reward.
const FEE_MAX: u64 = 1_000_000;
/// What a transfer moves (base units).
const AMOUNT: u64 = 1_000;

/// The transfers of one account that are not in a block yet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Purse {
    under_way: BTreeMap<u64, Transaction>,
    next_nonce: u64,
}

impl Purse {
    /// The next transfer to hand in: one that waits for long, or a new one; nothing if there are no
    /// coins for it.
    pub(crate) fn transfer(
        &mut self,
        params: &Params,
        keypair: &Keypair,
        account: consensus::state::Account,
        to: AccountId,
        again: bool,
    ) -> Option<Transaction> {
        self.under_way = self.under_way.split_off(&account.nonce);
        if again || self.under_way.len() >= UNDER_WAY_MAX {
            return self.under_way.values().next().cloned();
        }
        let bound = (self.under_way.len() as u64 + 1) * (AMOUNT + FEE_MAX);
        if account.balance.base_units() < bound {
            return None;
        }
        let nonce = self.next_nonce.max(account.nonce);
        self.next_nonce = nonce + 1;
        let transfer = transfer(params, keypair, nonce, to);
        self.under_way.insert(nonce, transfer.clone());
        Some(transfer)
    }
}

fn transfer(params: &Params, keypair: &Keypair, nonce: u64, to: AccountId) -> Transaction {
    let order = Order::Transfer(Signed {
        prefix: Prefix {
            sender: PublicKey::from(keypair),
            nonce,
            max_fee: Amount::from_base(FEE_MAX),
            tip: Amount::ZERO,
        },
        body: Transfer {
            outputs: vec![Output {
                to,
                amount: Amount::from_base(AMOUNT),
            }],
        },
        signature: Signature::default(),
    });
    Transaction::signed(order, &params.chain_id(), keypair, &[0; 32])
}

/// A small message under the one-time key of this number, without a stamp: the simulated networks
/// allow it.
pub(crate) fn envelope(params: &Params, epoch: RateEpoch, number: u64) -> EnvelopeBytes {
    let secret = blake3::derive_key("chainchat-sim/one-time/v1", &number.to_le_bytes());
    let keypair = Keypair::from_secret_bytes(secret).expect("a hash is a valid secret");
    let (kind, class) = (EnvelopeKind::Message, SizeClass::SMALLEST);
    let mut envelope = Envelope {
        kind,
        class,
        net: params.chain_id().net(),
        rate_epoch: epoch,
        one_time_key: PublicKey::from(&keypair),
        salt: [0; 16],
        body: vec![0; Envelope::body_len(kind, class)],
        auth: Auth::None,
        signature: Signature::default(),
    };
    envelope.sign(&params.chain_id(), &keypair, &[0; 32]);
    envelope.to_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use consensus::state::Account;

    fn keypair() -> Keypair {
        Keypair::from_secret_bytes([1; 32]).expect("a valid secret")
    }

    #[test]
    fn what_users_make_passes_the_checks_of_consensus() {
        let params = crate::rules::params(2_000);
        let branch = |_| None;
        let bytes = envelope(&params, RateEpoch::new(0), 1);
        let checked = consensus::envelope::check_envelope(bytes, &branch, &params);
        assert!(checked.is_ok(), "{checked:?}");
        let made = transfer(&params, &keypair(), 0, AccountId::from_bytes([9; 20]));
        let checked = consensus::transaction::check_transaction(made, &branch, &params);
        assert!(checked.is_ok(), "{checked:?}");
    }

    #[test]
    fn a_number_is_used_once_and_its_bytes_are_handed_in_again() {
        let params = crate::rules::params(2_000);
        let to = AccountId::from_bytes([9; 20]);
        let rich = |nonce| Account {
            balance: Amount::from_base(100 * Amount::COIN),
            nonce,
        };
        let mut purse = Purse::default();
        let mut next = |nonce, again| {
            let made = purse.transfer(&params, &keypair(), rich(nonce), to, again);
            made.map(|made| (made.prefix().nonce, made))
        };
        let first = next(0, false).expect("there are coins");
        assert_eq!(next(0, false).map(|(nonce, _)| nonce), Some(1));
        assert_eq!(next(0, true), Some(first));
        assert_eq!(next(1, true).map(|(nonce, _)| nonce), Some(1));
        assert_eq!(next(2, true), None, "all are in blocks");
        assert_eq!(next(2, false).map(|(nonce, _)| nonce), Some(2));
        let poor = Account::default();
        assert_eq!(
            Purse::default().transfer(&params, &keypair(), poor, to, false),
            None
        );
    }
}
