//! The wallet's history as rows for people and spreadsheets.
//!
//! # Invariants
//! * Credits minus debits of all rows of an account that are in blocks, and its opening, are its
//!   confirmed balance.
//! * A CSV line holds digits, hex, addresses and fixed words: nothing that a spreadsheet could take
//!   for a formula.
//!
//! # Spec
//! docs/spec/08-wallet.md §6
//!
//! # Not here
//! Whether a block is confirmed by stake or final: the node. Contact names: `app`.

use std::fmt::Write as _;

use chain::transaction::{Order, Output};
use chain::{AccountId, Address, Amount, BlockId, Height, Timestamp};

use crate::activity::{self, CreditSource, Duty, Entry, Event};
use crate::ledger::Ledger;
use crate::order::{OrderId, OrderState, PendingOrder, SignedOrder};

/// One line of the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryRow {
    /// Whose coins.
    pub account: AccountId,
    /// What happened.
    pub kind: RowKind,
    /// Where it stands in the chain.
    pub place: RowPlace,
    /// The order behind it, if there is one.
    pub order: Option<OrderId>,
    /// The other side, if it is one account.
    pub counterparty: Option<AccountId>,
    /// Coins in.
    pub credit: Amount,
    /// Coins out, fee and tip included.
    pub debit: Amount,
    /// Burned, part of `debit`; at most this much while pending.
    pub fee: Amount,
    /// To the miner, part of `debit`.
    pub tip: Amount,
}

/// What a row is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowKind {
    /// A transfer by the account.
    Sent,
    /// A transfer to the account.
    Received,
    /// A new account record.
    Record,
    /// An order about a bond or a masternode.
    Service(Duty),
    /// A paid envelope.
    Envelope,
    /// A reward.
    Reward(CreditSource),
    /// A difference to the node's account state that no block explained.
    Correction,
    /// What the account held before the first followed block.
    Opening,
}

/// Where a row stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowPlace {
    /// In a block of the followed chain.
    Block {
        /// Height of the block.
        height: Height,
        /// Id of the block.
        id: BlockId,
        /// The miner's clock.
        time: Timestamp,
    },
    /// Not in a block yet.
    Pending,
    /// Another order took its nonce.
    Superseded,
    /// Before the first followed block.
    Before,
}

impl RowKind {
    /// The word for it in JSON and CSV.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Received => "received",
            Self::Record => "record",
            Self::Service(duty) if duty.is_of_bond() => "stake_order",
            Self::Service(_) => "masternode_order",
            Self::Envelope => "envelope",
            Self::Reward(CreditSource::Mining) => "mined",
            Self::Reward(CreditSource::Uncle) => "uncle",
            Self::Reward(CreditSource::Votes) => "votes",
            Self::Reward(CreditSource::Masternode) => "masternode",
            Self::Correction => "correction",
            Self::Opening => "opening",
        }
    }
}

impl RowPlace {
    /// The word for it in JSON and CSV.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Block { .. } => "in_block",
            Self::Pending => "pending",
            Self::Superseded => "superseded",
            Self::Before => "before",
        }
    }
}

impl HistoryRow {
    /// First line of a CSV export; amounts are decimal X3C.
    pub const CSV_HEADER: &'static str =
        "time_ms,height,block,state,kind,account,counterparty,credit,debit,fee,tip,order";

    /// The row as a CSV line without its line end.
    #[must_use]
    pub fn csv_line(&self, ledger: &Ledger) -> String {
        let address = |account| Address::new(ledger.network(), account).to_string();
        let (time, height, block) = match self.place {
            RowPlace::Block { height, id, time } => {
                (time.to_string(), height.to_string(), id.to_string())
            }
            _ => <(String, String, String)>::default(),
        };
        let order = match self.order {
            Some(OrderId::Transaction(tx)) => tx.to_string(),
            Some(OrderId::Payment(core)) => core.to_string(),
            None => String::new(),
        };
        let mut line = format!(
            "{time},{height},{block},{},{}",
            self.place.name(),
            self.kind.name()
        );
        let counterparty = self.counterparty.map(address).unwrap_or_default();
        let Self {
            credit,
            debit,
            fee,
            tip,
            ..
        } = self;
        write!(line, ",{},{counterparty}", address(self.account))
            .and_then(|()| write!(line, ",{credit},{debit},{fee},{tip},{order}"))
            .expect("writing to a string does not fail");
        line
    }

    fn empty(account: AccountId, kind: RowKind, place: RowPlace) -> Self {
        let (credit, debit, fee, tip) = (Amount::ZERO, Amount::ZERO, Amount::ZERO, Amount::ZERO);
        Self {
            account,
            kind,
            place,
            order: None,
            counterparty: None,
            credit,
            debit,
            fee,
            tip,
        }
    }

    fn of_entry(entry: &Entry, place: RowPlace) -> Self {
        let row = |kind| Self::empty(entry.account, kind, place);
        match &entry.event {
            Event::Sent {
                tx,
                outputs,
                fee,
                tip,
                ..
            } => Self {
                order: Some(OrderId::Transaction(*tx)),
                counterparty: single(outputs),
                debit: total([activity::sum(outputs.iter()), *fee, *tip]),
                fee: *fee,
                tip: *tip,
                ..row(RowKind::Sent)
            },
            Event::Received {
                tx, from, amount, ..
            } => Self {
                order: Some(OrderId::Transaction(*tx)),
                counterparty: Some(*from),
                credit: *amount,
                ..row(RowKind::Received)
            },
            Event::RecordSet { tx, fee, tip, .. } => Self {
                order: Some(OrderId::Transaction(*tx)),
                debit: total([*fee, *tip]),
                fee: *fee,
                tip: *tip,
                ..row(RowKind::Record)
            },
            Event::Served {
                tx,
                duty,
                deposit,
                fee,
                tip,
                ..
            } => Self {
                order: Some(OrderId::Transaction(*tx)),
                debit: total([*deposit, *fee, *tip]),
                fee: *fee,
                tip: *tip,
                ..row(RowKind::Service(*duty))
            },
            Event::EnvelopePaid { core, burn, .. } => Self {
                order: Some(OrderId::Payment(*core)),
                debit: *burn,
                fee: *burn,
                ..row(RowKind::Envelope)
            },
            Event::Earned { source, amount } => Self {
                credit: *amount,
                ..row(RowKind::Reward(*source))
            },
            Event::Corrected { balance, .. } => {
                let (credit, debit) = split(*balance);
                Self {
                    credit,
                    debit,
                    ..row(RowKind::Correction)
                }
            }
        }
    }

    fn of_order(id: OrderId, order: &PendingOrder, place: RowPlace) -> Self {
        let row = |kind| Self::empty(order.account, kind, place);
        let row = match &order.signed {
            SignedOrder::Payment(payment) => Self {
                fee: payment.burn,
                ..row(RowKind::Envelope)
            },
            SignedOrder::Transaction(transaction) => {
                let (kind, counterparty) = match &transaction.order {
                    Order::Transfer(transfer) => (RowKind::Sent, single(&transfer.body.outputs)),
                    Order::Bond(_) => (RowKind::Service(Duty::Bond), None),
                    Order::Unbond(_) => (RowKind::Service(Duty::Unbond), None),
                    Order::Wake(_) => (RowKind::Service(Duty::Wake), None),
                    Order::MnRegister(_) => (RowKind::Service(Duty::Register), None),
                    Order::MnRevive(_) => (RowKind::Service(Duty::Revive), None),
                    Order::MnExit(_) => (RowKind::Service(Duty::Exit), None),
                    Order::AccountRecord(_) => (RowKind::Record, None),
                };
                let prefix = transaction.prefix();
                Self {
                    counterparty,
                    fee: prefix.max_fee,
                    tip: prefix.tip,
                    ..row(kind)
                }
            }
        };
        Self {
            order: Some(id),
            debit: order.reserve,
            ..row
        }
    }
}

impl Ledger {
    /// The newest `rows_max` rows, newest first: orders on their way, then blocks, at last what was
    /// there before.
    #[must_use]
    pub fn history(&self, rows_max: usize) -> Vec<HistoryRow> {
        let on_their_way = self
            .orders()
            .into_iter()
            .rev()
            .filter_map(|(id, order, state)| {
                let place = match state {
                    OrderState::InBlock { .. } => return None,
                    OrderState::Superseded => RowPlace::Superseded,
                    OrderState::Pending | OrderState::Waiting { .. } => RowPlace::Pending,
                };
                Some(HistoryRow::of_order(id, order, place))
            });
        let in_blocks = self.blocks.iter().rev().flat_map(|(height, block)| {
            let place = RowPlace::Block {
                height: *height,
                id: block.id,
                time: block.time,
            };
            block
                .entries
                .iter()
                .rev()
                .map(move |entry| HistoryRow::of_entry(entry, place))
        });
        let openings = self
            .openings
            .iter()
            .filter(|(_, opening)| opening.balance != 0);
        let before = openings.map(|(account, opening)| {
            let (credit, debit) = split(opening.balance);
            let row = HistoryRow::empty(*account, RowKind::Opening, RowPlace::Before);
            HistoryRow {
                credit,
                debit,
                ..row
            }
        });
        on_their_way
            .chain(in_blocks)
            .chain(before)
            .take(rows_max)
            .collect()
    }
}

/// The recipient, if there is only one.
fn single(outputs: &[Output]) -> Option<AccountId> {
    let (first, rest) = outputs.split_first()?;
    rest.iter()
        .all(|output| output.to == first.to)
        .then_some(first.to)
}

/// Sum; saturates, since no accepted block spends more than there is.
fn total<const N: usize>(amounts: [Amount; N]) -> Amount {
    let sum = amounts
        .iter()
        .fold(0u64, |sum, amount| sum.saturating_add(amount.base_units()));
    Amount::from_base(sum)
}

/// A signed difference as credit and debit.
fn split(base_units: i64) -> (Amount, Amount) {
    let size = Amount::from_base(base_units.unsigned_abs());
    if base_units < 0 {
        (Amount::ZERO, size)
    } else {
        (size, Amount::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use chain::Transaction;
    use chain::transaction::{Bond, MnExit};

    use super::*;
    use crate::activity::{BlockScan, ScannedTransaction};
    use crate::testing::{self, Story};

    #[test]
    fn rows_of_an_account_add_up_to_its_balance() {
        let mut story = Story::new();
        story.mine(1_000_000);
        story.open_with(5_000);
        let pending = story.send(testing::key(2).account(), 700_000);
        assert_eq!(story.ledger.history(usize::MAX)[0].place, RowPlace::Pending);
        story.include(&[pending], 2_048);
        story.mine(10);
        let rows = story.ledger.history(usize::MAX);
        let sum = |part: fn(&HistoryRow) -> Amount| {
            rows.iter().map(|row| part(row).base_units()).sum::<u64>()
        };
        let balance = sum(|row| row.credit) - sum(|row| row.debit);
        let confirmed = story
            .ledger
            .balance(&story.account())
            .confirmed
            .base_units();
        assert_eq!(balance, confirmed);
        assert_eq!(confirmed, 1_000_000 + 5_000 - 700_000 - 2_048 + 10);
        let kinds: Vec<&str> = rows.iter().map(|row| row.kind.name()).collect();
        assert_eq!(kinds, ["mined", "sent", "mined", "opening"]);
        assert_eq!(story.ledger.history(2).len(), 2);
    }

    #[test]
    fn a_bond_leaves_the_balance_and_a_row_that_says_so() {
        let mut story = Story::new();
        story.mine(1_000_000);
        story.open_with(0);
        let bond = Bond {
            amount: Amount::from_base(600_000),
            ..Bond::default()
        };
        let bonded = testing::order(&story.key, 0, bond, Order::Bond);
        let retired = testing::order(&story.key, 1, MnExit::default(), Order::MnExit);
        let block = BlockScan {
            transactions: [(0, &bonded), (1, &retired)]
                .map(|(index, transaction)| ScannedTransaction {
                    index,
                    transaction: transaction.clone(),
                    fee: Amount::from_base(5),
                })
                .to_vec(),
            ..story.next_block()
        };
        story.connect(&block);
        let account = story.account();
        let confirmed = story.ledger.balance(&account).confirmed;
        assert_eq!(confirmed.base_units(), 1_000_000 - 600_000 - 5 - 5);
        assert_eq!(story.ledger.chain_nonce(&account), 2);
        let rows = story.ledger.history(2);
        let row = |row: &HistoryRow| (row.kind.name(), row.debit.base_units(), row.order);
        let id = |transaction: &Transaction| Some(OrderId::Transaction(transaction.id()));
        assert_eq!(row(&rows[0]), ("masternode_order", 5, id(&retired)));
        assert_eq!(row(&rows[1]), ("stake_order", 600_005, id(&bonded)));
        story.revert();
        let confirmed = story.ledger.balance(&account).confirmed;
        assert_eq!(confirmed.base_units(), 1_000_000);
    }

    #[test]
    fn csv_lines_have_the_columns_of_the_header() {
        let mut story = Story::new();
        story.mine(150_000_000);
        story.open_with(0);
        story.send(testing::key(2).account(), 2_000);
        let lines: Vec<String> = story
            .ledger
            .history(usize::MAX)
            .iter()
            .map(|row| row.csv_line(&story.ledger))
            .collect();
        let columns = HistoryRow::CSV_HEADER.split(',').count();
        for line in &lines {
            assert_eq!(line.split(',').count(), columns, "{line}");
            assert!(!line.contains(['"', '=', '\n']), "{line}");
        }
        assert!(
            lines[0].starts_with(",,,pending,sent,rx3c1"),
            "{}",
            lines[0]
        );
        assert!(lines[1].contains(",in_block,mined,rx3c1"), "{}", lines[1]);
        assert!(lines[1].ends_with(",,1.5,0,0,0,"), "{}", lines[1]);
    }
}
