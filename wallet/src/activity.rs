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
    AccountId, Amount, Block, BlockId, CoreHash, EnvelopeError, Height, Network, Timestamp,
    Transaction, TxId,
};
use genesis::Params;

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
    pub(crate) fn entries(&self, accounts: &BTreeSet<AccountId>, network: Network) -> Vec<Entry> {
        let mut entries = Vec::new();
        for scanned in &self.transactions {
            scanned.entries(accounts, network, &mut entries);
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
    fn entries(&self, accounts: &BTreeSet<AccountId>, network: Network, entries: &mut Vec<Entry>) {
        let sender = self.transaction.sender();
        if accounts.contains(&sender) {
            entries.push(Entry {
                account: sender,
                event: self.of_sender(network),
            });
        }
        let Order::Transfer(order) = &self.transaction.order else {
            return;
        };
        let outputs = &order.body.outputs;
        let recipients: BTreeSet<AccountId> = outputs.iter().map(|output| output.to).collect();
        for account in recipients.intersection(accounts).copied() {
            let event = Event::Received {
                tx: self.transaction.id(),
                index: self.index,
                from: sender,
                amount: sum(outputs.iter().filter(|output| output.to == account)),
            };
            entries.push(Entry { account, event });
        }
    }

    /// What the order did to the account that gave it.
    fn of_sender(&self, network: Network) -> Event {
        let (tx, index, fee) = (self.transaction.id(), self.index, self.fee);
        let tip = self.transaction.prefix().tip;
        let served = |duty| Event::Served {
            tx,
            index,
            duty,
            deposit: outlay(&self.transaction, network),
            fee,
            tip,
        };
        match &self.transaction.order {
            Order::Transfer(order) => Event::Sent {
                tx,
                index,
                outputs: order.body.outputs.clone(),
                fee,
                tip,
            },
            Order::Bond(_) => served(Duty::Bond),
            Order::Unbond(_) => served(Duty::Unbond),
            Order::Wake(_) => served(Duty::Wake),
            Order::MnRegister(_) => served(Duty::Register),
            Order::MnRevive(_) => served(Duty::Revive),
            Order::MnExit(_) => served(Duty::Exit),
            Order::AccountRecord(_) => Event::RecordSet {
                tx,
                index,
                fee,
                tip,
            },
        }
    }
}

/// Coins that a transaction takes besides fee and tip.
pub(crate) fn outlay(transaction: &Transaction, network: Network) -> Amount {
    outlay_of(&transaction.order, network)
}

/// Coins that an order takes besides fee and tip: paid, bonded, or deposited as collateral.
pub(crate) fn outlay_of(order: &Order, network: Network) -> Amount {
    match order {
        Order::Transfer(order) => sum(order.body.outputs.iter()),
        Order::Bond(order) => order.body.amount,
        Order::MnRegister(_) => Params::of(network).masternode_collateral,
        Order::Unbond(_)
        | Order::Wake(_)
        | Order::MnRevive(_)
        | Order::MnExit(_)
        | Order::AccountRecord(_) => Amount::ZERO,
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
    /// An order about a bond or a masternode.
    #[wincode(tag = 6)]
    Served {
        /// The transaction.
        tx: TxId,
        /// Position among the block's transactions.
        index: u32,
        /// What was ordered.
        duty: Duty,
        /// Coins that it locked: the bond, the collateral, or nothing.
        deposit: Amount,
        /// Burned.
        fee: Amount,
        /// To the miner.
        tip: Amount,
    },
}

/// What an account ordered about serving the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub enum Duty {
    /// A bond that votes.
    #[wincode(tag = 0)]
    Bond,
    /// A masternode.
    #[wincode(tag = 1)]
    Register,
    /// The release of a bond.
    #[wincode(tag = 2)]
    Unbond,
    /// The end of a bond's sleep.
    #[wincode(tag = 3)]
    Wake,
    /// The end of a masternode's ban.
    #[wincode(tag = 4)]
    Revive,
    /// The end of a masternode.
    #[wincode(tag = 5)]
    Exit,
}

impl Duty {
    /// Whether it is about a bond; else it is about a masternode.
    #[must_use]
    pub const fn is_of_bond(self) -> bool {
        matches!(self, Self::Bond | Self::Unbond | Self::Wake)
    }

    /// The word for it in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bond => "bond",
            Self::Register => "register",
            Self::Unbond => "unbond",
            Self::Wake => "wake",
            Self::Revive => "revive",
            Self::Exit => "exit",
        }
    }
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
            Self::Served {
                deposit, fee, tip, ..
            } => order(
                units(*deposit)
                    .saturating_add(units(*fee))
                    .saturating_add(units(*tip)),
            ),
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
mod tests;
