//! From which heights a network's blocks may include the kinds of transactions.
//!
//! # Invariants
//! * Only kinds that decode are listed; the bytes of a reserved kind are refused before anybody
//!   asks.
//! * Transfers and account records are valid from the first block on, on every network.
//!
//! # Spec
//! docs/spec/03-transactions.md §9, docs/spec/05-networks.md
//!
//! # Not here
//! The refusal: `consensus::transaction`.

use chain::Height;
use chain::transaction::Order;

/// First height of each kind that a network may hold back; `None` is never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Activation {
    /// Kind 1.
    pub bond: Option<Height>,
    /// Kind 2.
    pub unbond: Option<Height>,
    /// Kind 3.
    pub wake: Option<Height>,
    /// Kind 5.
    pub mn_register: Option<Height>,
    /// Kind 6.
    pub mn_revive: Option<Height>,
    /// Kind 7.
    pub mn_exit: Option<Height>,
}

impl Activation {
    /// None of them, at no height.
    pub const NEVER: Self = Self::all(None);

    /// All of them from `height` on.
    #[must_use]
    pub const fn from_height(height: Height) -> Self {
        Self::all(Some(height))
    }

    /// First height at which a block may include orders of this kind; `None` is never.
    #[must_use]
    pub const fn of(&self, order: &Order) -> Option<Height> {
        match order {
            Order::Transfer(_) | Order::AccountRecord(_) => Some(Height::new(0)),
            Order::Bond(_) => self.bond,
            Order::Unbond(_) => self.unbond,
            Order::Wake(_) => self.wake,
            Order::MnRegister(_) => self.mn_register,
            Order::MnRevive(_) => self.mn_revive,
            Order::MnExit(_) => self.mn_exit,
        }
    }

    const fn all(height: Option<Height>) -> Self {
        Self {
            bond: height,
            unbond: height,
            wake: height,
            mn_register: height,
            mn_revive: height,
            mn_exit: height,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chain::transaction::{
        Bond, MnExit, MnRegister, MnRevive, Prefix, Signed, Transfer, Unbond, Wake,
    };
    use chain::{Network, Signature};

    use crate::Params;

    fn signed<B>(body: B) -> Signed<B> {
        Signed {
            prefix: Prefix::default(),
            body,
            signature: Signature::default(),
        }
    }

    fn held_back() -> [Order; 6] {
        [
            Order::Bond(signed(Bond::default())),
            Order::Unbond(signed(Unbond::default())),
            Order::Wake(signed(Wake::default())),
            Order::MnRegister(signed(MnRegister::default())),
            Order::MnRevive(signed(MnRevive::default())),
            Order::MnExit(signed(MnExit::default())),
        ]
    }

    #[test]
    fn every_kind_has_a_height_of_its_own() {
        let at = |height| Some(Height::new(height));
        let activation = Activation {
            bond: at(1),
            unbond: at(2),
            wake: at(3),
            mn_register: at(5),
            mn_revive: at(6),
            mn_exit: None,
        };
        let heights = held_back().map(|order| activation.of(&order));
        assert_eq!(heights, [at(1), at(2), at(3), at(5), at(6), None]);
        let all = Activation::from_height(Height::new(7));
        assert_eq!(held_back().map(|order| all.of(&order)), [at(7); 6]);
    }

    #[test]
    fn transfers_cannot_be_held_back() {
        let transfer = Order::Transfer(signed(Transfer::default()));
        assert_eq!(Activation::NEVER.of(&transfer), Some(Height::new(0)));
    }

    #[test]
    fn every_network_takes_all_of_them_from_its_beginning() {
        let beginning = Activation::from_height(Height::new(0));
        for network in Network::ALL {
            assert_eq!(Params::of(network).active_from, beginning);
        }
    }
}
