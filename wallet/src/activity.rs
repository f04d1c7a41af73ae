//! What a block did to the wallet's accounts.
//!
//! # Invariants
//! * A [`BlockScan`] may hold more than concerns the wallet; entries are made for its accounts
//!   only.
//! * The effect of a block on a balance is the sum of the effects of its entries, so that taking
//!   the entries back takes the block back.
//!
//! # Spec
//! docs/spec/08-wallet.md §4
//!
//! # Not here
//! How fees and rewards come about: `consensus`. They reach the wallet as finished amounts.

use std::collections::BTreeSet;

use chain::codec::{List, SchemaRead, SchemaWrite};
use chain::envelope::{Auth, ClearPayment};
use chain::transaction::{Order, Output, Transfer};
use chain::{
    AccountId, Amount, Block, BlockId, CoreHash, EnvelopeError, Height, Timestamp, Transaction,
    TxId,
};

/// Memory of the outputs of one sent transfer.
const OUTPUTS_BYTES_MAX: usize = Transfer::OUTPUTS_MAX * size_of::<Output>();

/// One block as the wallet needs it. The session makes it from the block and from what the node
/// says about fees and rewards.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockScan {
    /// Id of the block.
    pub id: BlockId,
    /// Id of the block before.
    pub parent: BlockId,
    /// Its height.
    pub height: Height,
    /// The miner's clock.
    pub time: Timestamp,
    /// Transactions with what they burned.
    pub transactions: Vec<ScannedTransaction>,
    /// Transparent payments of envelopes.
    pub payments: Vec<ScannedPayment>,
    /// Credits that no transaction made: rewards and tips.
    pub credits: Vec<Credit>,
}

/// A transaction in a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScannedTransaction {
    /// Position among the block's transactions.
    pub index: u32,
    /// The transaction.
    pub transaction: Transaction,
    /// What it burned: units times the price of the block's rate epoch; zero for a stamped record.
    pub fee: Amount,
}

/// An envelope's transparent payment in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScannedPayment {
    /// Position among the block's envelopes.
    pub index: u32,
    /// What the payment is for.
    pub core: CoreHash,
    /// The payment.
    pub payment: ClearPayment,
}

/// A credit that no transaction made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credit {
    /// Who is paid.
    pub account: AccountId,
    /// For what.
    pub source: CreditSource,
    /// How much.
    pub amount: Amount,
}

/// What a credit is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub enum CreditSource {
    /// The miner's share of a block, tips included.
    #[wincode(tag = 0)]
    Mining,
    /// A solved block that lost the race.
    #[wincode(tag = 1)]
    Uncle,
    /// Votes for blocks.
    #[wincode(tag = 2)]
    Votes,
    /// Masternode duty.
    #[wincode(tag = 3)]
    Masternode,
}

impl BlockScan {
    /// Reads `block`, with the burned fee of each of its transactions (same order) and the credits
    /// that it made. Missing fees count as zero; a later account state corrects them.
    ///
    /// # Errors
    /// The first paid envelope that is none; no accepted block holds one.
    pub fn of(block: &Block, fees: &[Amount], credits: Vec<Credit>) -> Result<Self, EnvelopeError> {
        let transactions = block.body.transactions.iter().zip(0..);
        let fees = fees.iter().copied().chain(std::iter::repeat(Amount::ZERO));
        let transactions = transactions
            .zip(fees)
            .map(|((transaction, index), fee)| ScannedTransaction {
                index,
                transaction: transaction.clone(),
                fee,
            })
            .collect();
        let mut payments = Vec::new();
        for (bytes, index) in block.body.envelopes.iter().zip(0..) {
            if let Auth::Clear(payment) = bytes.parse()?.auth {
                payments.push(ScannedPayment {
                    index,
                    core: bytes.parse()?.core_hash(),
                    payment,
                });
            }
        }
        Ok(Self {
            id: block.id(),
            parent: block.header.parent,
            height: block.header.height,
            time: block.header.time,
            transactions,
            payments,
            credits,
        })
    }

    /// The entries for `accounts`, in the order in which the block applies them.
    pub(crate) fn entries(&self, accounts: &BTreeSet<AccountId>) -> Vec<Entry> {
        let mut entries = Vec::new();
        for scanned in &self.transactions {
            scanned.entries(accounts, &mut entries);
        }
        for scanned in &self.payments {
            let account = AccountId::from(&scanned.payment.payer);
            if accounts.contains(&account) {
                let event = Event::EnvelopePaid {
                    core: scanned.core,
                    index: scanned.index,
                    burn: scanned.payment.burn,
                };
                entries.push(Entry { account, event });
            }
        }
        for credit in &self.credits {
            if accounts.contains(&credit.account) {
                let event = Event::Earned {
                    source: credit.source,
                    amount: credit.amount,
                };
                entries.push(Entry {
                    account: credit.account,
                    event,
                });
            }
        }
        entries
    }
}

impl ScannedTransaction {
    fn entries(&self, accounts: &BTreeSet<AccountId>, entries: &mut Vec<Entry>) {
        let (tx, index, fee) = (self.transaction.id(), self.index, self.fee);
        let (sender, tip) = (self.transaction.sender(), self.transaction.prefix().tip);
        match &self.transaction.order {
            Order::Transfer(order) => {
                let outputs = &order.body.outputs;
                if accounts.contains(&sender) {
                    let event = Event::Sent {
                        tx,
                        index,
                        outputs: outputs.clone(),
                        fee,
                        tip,
                    };
                    entries.push(Entry {
                        account: sender,
                        event,
                    });
                }
                let recipients: BTreeSet<AccountId> =
                    outputs.iter().map(|output| output.to).collect();
                for account in recipients.intersection(accounts).copied() {
                    let amount = sum(outputs.iter().filter(|output| output.to == account));
                    let event = Event::Received {
                        tx,
                        index,
                        from: sender,
                        amount,
                    };
                    entries.push(Entry { account, event });
                }
            }
            Order::AccountRecord(_) => {
                if accounts.contains(&sender) {
                    let event = Event::RecordSet {
                        tx,
                        index,
                        fee,
                        tip,
                    };
                    entries.push(Entry {
                        account: sender,
                        event,
                    });
                }
            }
        }
    }
}

/// One thing that a block did to one account.
#[derive(Clone, Debug, PartialEq, Eq, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub struct Entry {
    /// Whose coins.
    pub account: AccountId,
    /// What happened.
    pub event: Event,
}

/// What happened to an account.
#[derive(Clone, Debug, PartialEq, Eq, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub enum Event {
    /// A transfer by the account.
    #[wincode(tag = 0)]
    Sent {
        /// The transaction.
        tx: TxId,
        /// Position among the block's transactions.
        index: u32,
        /// Who got how much.
        #[wincode(with = "List<Output, OUTPUTS_BYTES_MAX>")]
        outputs: Vec<Output>,
        /// Burned.
        fee: Amount,
        /// To the miner.
        tip: Amount,
    },
    /// A transfer to the account.
    #[wincode(tag = 1)]
    Received {
        /// The transaction.
        tx: TxId,
        /// Position among the block's transactions.
        index: u32,
        /// Who paid.
        from: AccountId,
        /// All outputs to the account.
        amount: Amount,
    },
    /// A new account record.
    #[wincode(tag = 2)]
    RecordSet {
        /// The transaction.
        tx: TxId,
        /// Position among the block's transactions.
        index: u32,
        /// Burned; zero with a stamp.
        fee: Amount,
        /// To the miner.
        tip: Amount,
    },
    /// A transparent payment for an envelope.
    #[wincode(tag = 3)]
    EnvelopePaid {
        /// What was paid for.
        core: CoreHash,
        /// Position among the block's envelopes.
        index: u32,
        /// Burned.
        burn: Amount,
    },
    /// A reward.
    #[wincode(tag = 4)]
    Earned {
        /// For what.
        source: CreditSource,
        /// How much.
        amount: Amount,
    },
    /// The node's account state differed from the entries; this is the difference.
    #[wincode(tag = 5)]
    Corrected {
        /// Base units, added to the balance.
        balance: i64,
        /// Added to the nonce.
        nonce: i64,
    },
}

/// What a set of entries adds to an account; wide enough that no sum of real entries overflows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Effect {
    pub(crate) balance: i128,
    pub(crate) nonce: i128,
}

impl Effect {
    pub(crate) fn add(&mut self, other: Self) {
        self.balance = self.balance.saturating_add(other.balance);
        self.nonce = self.nonce.saturating_add(other.nonce);
    }

    pub(crate) fn subtract(&mut self, other: Self) {
        self.balance = self.balance.saturating_sub(other.balance);
        self.nonce = self.nonce.saturating_sub(other.nonce);
    }
}

impl Event {
    /// What the event adds to its account.
    pub(crate) fn effect(&self) -> Effect {
        let units = |amount: Amount| i128::from(amount.base_units());
        let order = |debit: i128| Effect {
            balance: debit.saturating_neg(),
            nonce: 1,
        };
        match self {
            Self::Sent {
                outputs, fee, tip, ..
            } => {
                let paid: i128 = outputs.iter().map(|output| units(output.amount)).sum();
                order(paid.saturating_add(units(*fee)).saturating_add(units(*tip)))
            }
            Self::RecordSet { fee, tip, .. } => order(units(*fee).saturating_add(units(*tip))),
            Self::EnvelopePaid { burn, .. } => order(units(*burn)),
            Self::Received { amount, .. } | Self::Earned { amount, .. } => Effect {
                balance: units(*amount),
                nonce: 0,
            },
            Self::Corrected { balance, nonce } => Effect {
                balance: i128::from(*balance),
                nonce: i128::from(*nonce),
            },
        }
    }
}

/// Sum of outputs; saturates, since no accepted block pays more than there is.
pub(crate) fn sum<'a>(outputs: impl Iterator<Item = &'a Output>) -> Amount {
    Amount::from_base(outputs.fold(0u64, |total, output| {
        total.saturating_add(output.amount.base_units())
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn a_block_is_read_with_its_fees_payments_and_credits() {
        let (alice, bob) = (testing::key(1), testing::key(2));
        let transfer = testing::transfer(&alice, 0, &[(bob.account(), 5), (bob.account(), 6)]);
        let envelope = testing::paid_envelope(&alice, 1, 77);
        let core = envelope.core_hash();
        let block = testing::block(vec![transfer.clone()], vec![envelope.to_bytes()]);
        let credit = Credit {
            account: bob.account(),
            source: CreditSource::Mining,
            amount: Amount::from_base(9),
        };
        let scan = BlockScan::of(&block, &[Amount::from_base(3)], vec![credit]).expect("parses");
        assert_eq!((scan.id, scan.parent), (block.id(), block.header.parent));

        let for_alice = scan.entries(&BTreeSet::from([alice.account()]));
        let kinds: Vec<&Event> = for_alice.iter().map(|entry| &entry.event).collect();
        assert!(matches!(kinds[0], Event::Sent { tx, .. } if *tx == transfer.id()));
        assert!(matches!(kinds[1], Event::EnvelopePaid { core: paid, .. } if *paid == core));
        assert_eq!(
            for_alice[0].event.effect(),
            Effect {
                balance: -14,
                nonce: 1
            }
        );
        assert_eq!(
            for_alice[1].event.effect(),
            Effect {
                balance: -77,
                nonce: 1
            }
        );

        let for_bob = scan.entries(&BTreeSet::from([bob.account()]));
        let effects: Vec<i128> = for_bob
            .iter()
            .map(|entry| entry.event.effect().balance)
            .collect();
        assert_eq!(effects, [11, 9]);
        assert_eq!(
            scan.entries(&BTreeSet::from([testing::key(3).account()])),
            []
        );
    }

    #[test]
    fn a_payment_to_oneself_costs_fee_and_tip_only() {
        let alice = testing::key(1);
        let transfer = testing::transfer(&alice, 0, &[(alice.account(), 50)]);
        let block = testing::block(vec![transfer], vec![]);
        let scan = BlockScan::of(&block, &[Amount::from_base(3)], vec![]).expect("parses");
        let mut total = Effect::default();
        for entry in scan.entries(&BTreeSet::from([alice.account()])) {
            total.add(entry.event.effect());
        }
        assert_eq!(
            total,
            Effect {
                balance: -3,
                nonce: 1
            }
        );
    }
}
