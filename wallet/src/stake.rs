//! Orders about bonds and masternodes: planned, then signed with every key that must agree.
//!
//! # Invariants
//! * A key that an order registers signs for that very order: nobody registers a foreign one.
//! * Keys of voters and operators come in as arguments and are kept nowhere.
//!
//! # Spec
//! docs/spec/08-wallet.md §5, docs/spec/03-transactions.md §7-9
//!
//! # Not here
//! Votes and finality votes: the node signs them. Numbers of bonds: the chain gives them.

use chain::signature::Signature;
use chain::transaction::{
    Bond, MnExit, MnRegister, MnRevive, Order, Prefix, ServiceAddress, Signed, Unbond, Wake, kind,
    possession,
};
use chain::units::{BondId, MasternodeId};
use chain::{AccountId, Amount, ChainId, PublicKey, Transaction};
use genesis::{Params, law};
use rand_core::CryptoRng;
use secp256k1::Keypair;

use crate::activity;
use crate::build::fresh;
use crate::change_set::ChangeSet;
use crate::error::{BuildError, PlanError};
use crate::keys::AccountKey;
use crate::ledger::Ledger;
use crate::plan::{headroom, size_of_order, units};

/// What an account orders about stake.
#[derive(Clone, Copy)]
pub enum StakeOrder<'k> {
    /// Locks coins so that a key may vote.
    Bond {
        /// How much.
        amount: Amount,
        /// Signs the votes.
        vote_key: &'k Keypair,
    },
    /// Releases a bond.
    Unbond(BondId),
    /// Wakes a dormant bond.
    Wake(BondId),
    /// Registers a masternode.
    Register(Registration<'k>),
    /// Retires a masternode.
    Exit(MasternodeId),
}

/// What a masternode is registered with.
#[derive(Clone, Copy)]
pub struct Registration<'k> {
    /// Signs checkpoints and revives.
    pub operator_key: &'k Keypair,
    /// Kept for votes about the network itself.
    pub voting_key: &'k Keypair,
    /// Who gets its rewards.
    pub payout: AccountId,
    /// Where it is reached.
    pub address: ServiceAddress,
    /// What it offers there, as bits.
    pub service: u32,
}

/// An order about stake that can be paid.
#[derive(Clone, Copy)]
pub struct StakePlan<'k> {
    order: StakeOrder<'k>,
    prefix: Prefix,
    /// Who orders.
    pub from: AccountId,
    /// Coins that it locks.
    pub deposit: Amount,
    /// Burned, at the price of now.
    pub fee: Amount,
    /// Deposit and fee together.
    pub total: Amount,
}

impl StakeOrder<'_> {
    /// The order without any signature.
    fn unsigned(&self, prefix: Prefix) -> Order {
        match *self {
            Self::Bond { amount, vote_key } => {
                let body = Bond {
                    vote_key: PublicKey::from(vote_key),
                    amount,
                    possession: Signature::default(),
                };
                Order::Bond(signed_by_nobody(prefix, body))
            }
            Self::Unbond(bond) => Order::Unbond(signed_by_nobody(prefix, Unbond { bond })),
            Self::Wake(bond) => Order::Wake(signed_by_nobody(prefix, Wake { bond })),
            Self::Register(registration) => {
                let body = MnRegister {
                    operator_key: PublicKey::from(registration.operator_key),
                    voting_key: PublicKey::from(registration.voting_key),
                    payout: registration.payout,
                    address: registration.address,
                    service: registration.service,
                    ..MnRegister::default()
                };
                Order::MnRegister(signed_by_nobody(prefix, body))
            }
            Self::Exit(masternode) => {
                Order::MnExit(signed_by_nobody(prefix, MnExit { masternode }))
            }
        }
    }

    /// The order with the proofs of the keys that it registers.
    fn possessed(&self, prefix: Prefix, chain: &ChainId, rng: &mut impl CryptoRng) -> Order {
        let mut order = self.unsigned(prefix);
        let mut prove =
            |kind, keypair| possession::sign(kind, &prefix, chain, keypair, &fresh(rng));
        match (self, &mut order) {
            (Self::Bond { vote_key, .. }, Order::Bond(order)) => {
                order.body.possession = prove(kind::BOND, vote_key);
            }
            (Self::Register(keys), Order::MnRegister(order)) => {
                order.body.operator_possession = prove(kind::MN_REGISTER, keys.operator_key);
                order.body.voting_possession = prove(kind::MN_REGISTER, keys.voting_key);
            }
            _ => {}
        }
        order
    }

    const fn extra_units(&self) -> u64 {
        match self {
            Self::Bond { .. } => law::BOND_EXTRA_UNITS,
            Self::Unbond(_) => law::UNBOND_EXTRA_UNITS,
            Self::Wake(_) => law::WAKE_EXTRA_UNITS,
            Self::Register(_) => law::MN_REGISTER_EXTRA_UNITS,
            Self::Exit(_) => law::MN_EXIT_EXTRA_UNITS,
        }
    }
}

fn signed_by_nobody<B>(prefix: Prefix, body: B) -> Signed<B> {
    Signed {
        prefix,
        body,
        signature: Signature::default(),
    }
}

impl Ledger {
    /// Plans an order about a bond or a masternode.
    ///
    /// # Errors
    /// [`PlanError`]; it says what would help.
    pub fn plan_stake<'k>(
        &self,
        from: AccountId,
        order: StakeOrder<'k>,
        price_per_kib: Amount,
    ) -> Result<StakePlan<'k>, PlanError> {
        let sender = self.key_of(&from)?;
        check(&order, &sender, &Params::of(self.network()))?;
        let mut prefix = Prefix {
            sender,
            nonce: self.free_nonce(&from)?,
            ..Prefix::default()
        };
        let unsigned = order.unsigned(prefix);
        let deposit = activity::outlay_of(&unsigned, self.network());
        let units = units(size_of_order(unsigned), order.extra_units(), 0);
        let cost = self.fee_of(&from, units, price_per_kib, deposit)?;
        prefix.max_fee = cost.max_fee;
        Ok(StakePlan {
            order,
            prefix,
            from,
            deposit,
            fee: cost.fee,
            total: cost.total,
        })
    }

    /// Signs a planned order about a bond or a masternode.
    ///
    /// # Errors
    /// [`BuildError`].
    pub fn build_stake(
        &self,
        plan: &StakePlan<'_>,
        key: &AccountKey,
        rng: &mut impl CryptoRng,
    ) -> Result<(Transaction, ChangeSet), BuildError> {
        self.check_signer(&plan.from, key)?;
        let order = plan.order.possessed(plan.prefix, &self.chain, rng);
        self.finish(plan.from, order, key, rng)
    }
}

/// What no block would take, said before anything is signed.
fn check(order: &StakeOrder<'_>, sender: &PublicKey, params: &Params) -> Result<(), PlanError> {
    match order {
        StakeOrder::Bond { amount, .. } if *amount < params.bond_min => {
            let (found, min) = (*amount, params.bond_min);
            Err(PlanError::BondTooSmall { found, min })
        }
        StakeOrder::Register(registration) => {
            let operator = PublicKey::from(registration.operator_key);
            let voting = PublicKey::from(registration.voting_key);
            if operator == voting || operator == *sender || voting == *sender {
                return Err(PlanError::SameKeys);
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// The revival of a banned masternode: the one order that its operator gives, from an account of
/// the operator's own that no wallet holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revival {
    /// Which masternode.
    pub masternode: MasternodeId,
    /// The operator account's next nonce.
    pub nonce: u64,
    /// Its coins.
    pub balance: Amount,
    /// Price of a KiB in the current rate epoch.
    pub price_per_kib: Amount,
}

impl Revival {
    /// Signs it.
    ///
    /// # Errors
    /// [`PlanError::InsufficientFunds`] if the operator's account cannot pay the fee;
    /// [`PlanError::AmountTooLarge`].
    pub fn signed(
        &self,
        operator: &Keypair,
        chain: &ChainId,
        rng: &mut impl CryptoRng,
    ) -> Result<Transaction, PlanError> {
        let body = MnRevive {
            masternode: self.masternode,
        };
        let order = |max_fee| {
            let prefix = Prefix {
                sender: PublicKey::from(operator),
                nonce: self.nonce,
                max_fee,
                tip: Amount::ZERO,
            };
            Order::MnRevive(signed_by_nobody(prefix, body))
        };
        let bytes = size_of_order(order(Amount::ZERO));
        let units = units(bytes, law::MN_REVIVE_EXTRA_UNITS, 0);
        let needed = self.price_per_kib.checked_mul(units);
        let needed = needed.ok_or(PlanError::AmountTooLarge)?;
        if needed > self.balance {
            let available = self.balance;
            return Err(PlanError::InsufficientFunds { needed, available });
        }
        let order = order(headroom(needed, self.balance));
        Ok(Transaction::signed(order, chain, operator, &fresh(rng)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Balance;
    use crate::order::{OrderId, OrderState};
    use crate::testing::{self, PRICE, Story};

    const COIN: u64 = Amount::COIN;

    fn price() -> Amount {
        Amount::from_base(PRICE)
    }

    fn coins(base_units: u64) -> Amount {
        Amount::from_base(base_units)
    }

    /// An account with `x3c` coins.
    fn story(x3c: u64) -> Story {
        let mut story = Story::new();
        story.open_with(x3c * COIN);
        story
    }

    fn registration<'k>(operator: &'k AccountKey, voting: &'k AccountKey) -> Registration<'k> {
        Registration {
            operator_key: operator.keypair(),
            voting_key: voting.keypair(),
            payout: operator.account(),
            address: ServiceAddress::default(),
            service: 0,
        }
    }

    #[test]
    fn a_bond_reserves_its_coins_and_proves_its_key() {
        let mut story = story(10);
        let vote = testing::key(5);
        let order = StakeOrder::Bond {
            amount: coins(2 * COIN),
            vote_key: vote.keypair(),
        };
        let plan = story.ledger.plan_stake(story.account(), order, price());
        let plan = plan.expect("affordable");
        // 227 bytes are one unit, a new bond four more.
        assert_eq!(plan.fee, coins(5 * PRICE));
        assert_eq!(plan.total, coins(2 * COIN + 5 * PRICE));
        let mut rng = testing::rng(3);
        let built = story.ledger.build_stake(&plan, &story.key, &mut rng);
        let (transaction, changes) = built.expect("the plan is fresh");
        let Order::Bond(bond) = &transaction.order else {
            panic!("another order");
        };
        assert!(bond.is_vote_key_possessed(&testing::chain_id()));
        assert_eq!(bond.body.vote_key, vote.public());
        story.keep(changes);
        let Balance { spendable, .. } = story.ledger.balance(&story.account());
        let max_fee = 5 * PRICE + 5 * PRICE / 8;
        assert_eq!(spendable, coins(8 * COIN - max_fee));
        let id = OrderId::Transaction(transaction.id());
        story.include(&[id], 5 * PRICE);
        let state = story.ledger.order(&id).map(|(_, state)| state);
        assert!(matches!(state, Some(OrderState::InBlock { .. })));
        let confirmed = story.ledger.balance(&story.account()).confirmed;
        assert_eq!(confirmed, coins(8 * COIN - 5 * PRICE));
    }

    #[test]
    fn a_registration_locks_the_collateral_and_proves_both_keys() {
        let story = story(10);
        let (operator, voting) = (testing::key(5), testing::key(6));
        let order = StakeOrder::Register(registration(&operator, &voting));
        let plan = story.ledger.plan_stake(story.account(), order, price());
        let plan = plan.expect("affordable");
        assert_eq!(plan.deposit, coins(4 * COIN));
        let mut rng = testing::rng(3);
        let built = story.ledger.build_stake(&plan, &story.key, &mut rng);
        let (transaction, _) = built.expect("the plan is fresh");
        let Order::MnRegister(order) = &transaction.order else {
            panic!("another order");
        };
        assert!(order.are_keys_possessed(&testing::chain_id()));
        assert_eq!(order.body.payout, operator.account());
    }

    #[test]
    fn orders_that_name_a_number_cost_their_size_alone() {
        let story = story(1);
        let of_bond = [StakeOrder::Unbond, StakeOrder::Wake].map(|order| order(BondId::new(7)));
        let orders = of_bond
            .into_iter()
            .chain([StakeOrder::Exit(MasternodeId::new(7))]);
        for order in orders {
            let plan = story.ledger.plan_stake(story.account(), order, price());
            let plan = plan.expect("affordable");
            assert_eq!((plan.fee, plan.deposit), (price(), Amount::ZERO));
        }
    }

    #[test]
    fn what_no_block_would_take_is_not_planned() {
        let story = story(3);
        let (operator, voting) = (testing::key(5), testing::key(6));
        let plan = |order| {
            let planned = story.ledger.plan_stake(story.account(), order, price());
            planned.err()
        };
        let bond = |amount| {
            plan(StakeOrder::Bond {
                amount: coins(amount),
                vote_key: operator.keypair(),
            })
        };
        let (found, min) = (coins(COIN - 1), coins(COIN));
        assert_eq!(bond(COIN - 1), Some(PlanError::BondTooSmall { found, min }));
        assert_eq!(bond(COIN), None);
        assert!(matches!(
            bond(3 * COIN),
            Some(PlanError::InsufficientFunds { .. })
        ));
        for (operator, voting) in [
            (&operator, &operator),
            (&story.key, &voting),
            (&operator, &story.key),
        ] {
            let order = StakeOrder::Register(registration(operator, voting));
            assert_eq!(plan(order), Some(PlanError::SameKeys));
        }
        // Four coins are needed as collateral.
        let poor = plan(StakeOrder::Register(registration(&operator, &voting)));
        assert!(matches!(poor, Some(PlanError::InsufficientFunds { .. })));
    }

    #[test]
    fn an_operator_revives_with_coins_of_its_own() {
        let operator = testing::key(5);
        let revival = |balance| Revival {
            masternode: MasternodeId::new(3),
            nonce: 4,
            balance: coins(balance),
            price_per_kib: price(),
        };
        let mut rng = testing::rng(3);
        let mut sign =
            |balance| revival(balance).signed(operator.keypair(), &testing::chain_id(), &mut rng);
        let needed = 17 * PRICE;
        let (found, short) = (sign(needed).expect("affordable"), sign(needed - 1));
        assert_eq!(found.sender(), operator.account());
        let prefix = found.prefix();
        assert_eq!((prefix.nonce, prefix.max_fee), (4, coins(needed)));
        let (needed, available) = (coins(needed), coins(needed - 1));
        assert_eq!(
            short,
            Err(PlanError::InsufficientFunds { needed, available })
        );
        let rich = sign(COIN).expect("affordable").prefix().max_fee;
        assert_eq!(rich, coins(17 * PRICE + 17 * PRICE / 8));
    }
}
