//! Orders about bonds and masternodes: what they do, and the rules they break.

use super::world::{World, coins, operator, voter, voting};
use super::*;
use crate::state::value::Standing;

#[test]
fn a_bond_takes_coins_and_gives_them_back_after_the_wait() {
    let mut world = World::new(&[5, 2], 0);
    let bond = world.bond(0).expect("bonded");
    assert_eq!((bond.owner, bond.amount), (alice().account(), coins(5)));
    assert_eq!((bond.key, bond.release), (voter(0).key(), None));
    let of_key = |world: &World, key| value::bond_of_key(world.chain.state(), &key);
    assert_eq!(of_key(&world, voter(1).key()), Ok(Some(BondId::new(1))));
    let counters = value::counters(world.chain.state()).expect("memory");
    assert_eq!((counters.bonds, counters.masternodes), (2, 0));
    world.to(69);
    world.step(&[world.chain.unbond(&alice(), 0)]);
    let release = Height::new(70 + 48);
    assert_eq!(world.bond(0).expect("leaving").release, Some(release));
    world.to(72);
    assert_eq!(world.snapshot(), [1], "who leaves is in no later snapshot");
    world.to(117);
    let before = balance(&world.chain, &alice()).base_units();
    world.silent_bonds.insert(1);
    world.step(&[]);
    let after = balance(&world.chain, &alice()).base_units();
    assert_eq!(after - before, coins(5).base_units());
    assert_eq!(world.bond(0), None);
    assert_eq!(of_key(&world, voter(0).key()), Ok(None));
    let live = world.chain.state().values().get(&StateKey::LiveBonds(0));
    assert!(live.is_some(), "the other one is alive");
    let again = world.chain.unbond(&alice(), 0);
    let unknown = Rule::BondUnknown {
        bond: BondId::new(0),
    };
    assert_eq!(world.refusal(&again), Some(unknown));
    // The number is not given again.
    world.step(&[world.chain.bond(&alice(), 0, &voter(0), coins(1))]);
    assert_eq!(world.bond(2).expect("bonded").key, voter(0).key());
}

#[test]
fn who_voted_until_the_snapshots_ran_out_keeps_the_seats() {
    let mut world = World::new(&[5], 0);
    world.to(72);
    world.step(&[world.chain.unbond(&alice(), 0)]);
    world.to(95);
    assert!(!world.chain.committee(Height::new(95)).is_empty());
    assert!(world.chain.committee(Height::new(96)).is_empty());
}

#[test]
fn orders_about_bonds_break_rules_of_context() {
    let mut world = World::new(&[5], 0);
    let chain = &world.chain;
    let used = Rule::VoteKeyUsed {
        bond: BondId::new(0),
    };
    let second = chain.bond(&alice(), 0, &voter(0), coins(1));
    assert_eq!(world.refusal(&second), Some(used));
    let strangers = chain.unbond(&bob(), 0);
    assert_eq!(world.refusal(&strangers), Some(Rule::NotOwner));
    let unknown = Rule::BondUnknown {
        bond: BondId::new(9),
    };
    assert_eq!(
        world.refusal(&chain.unbond(&alice(), 9)),
        Some(unknown.clone())
    );
    assert_eq!(world.refusal(&chain.wake(&alice(), 9)), Some(unknown));
    let too_much = chain.bond(&alice(), 0, &voter(7), coins(1_000));
    assert!(matches!(
        world.refusal(&too_much),
        Some(Rule::BalanceTooLow { .. })
    ));
    // Two bonds of one draft with one key: the second sees the first.
    let two = [0, 1].map(|ahead| {
        let order = chain.bond(&alice(), ahead, &voter(7), coins(1));
        chain.check_transaction(&order).expect("valid by itself")
    });
    let mut draft = chain.draft();
    assert_eq!(broken(draft.try_transaction(&two[0])), None);
    let used = Rule::VoteKeyUsed {
        bond: BondId::new(1),
    };
    assert_eq!(broken(draft.try_transaction(&two[1])), Some(used));
    world.step(&[world.chain.unbond(&alice(), 0)]);
    let release = Height::new(world.chain.height() + 48);
    let again = world.chain.unbond(&alice(), 0);
    assert_eq!(
        world.refusal(&again),
        Some(Rule::AlreadyLeaving { release })
    );
}

#[test]
fn a_masternode_takes_the_collateral_and_gives_it_back() {
    let mut world = World::new(&[], 1);
    let masternode = world.masternode(0).expect("registered");
    assert_eq!(masternode.collateral, coins(4));
    assert_eq!(masternode.registered, Height::new(61));
    assert_eq!(masternode.standing, Standing::Active);
    let key = operator(0).key();
    let of_key = value::masternode_of_key(world.chain.state(), &key);
    assert_eq!(of_key, Ok(Some(MasternodeId::new(0))));
    world.to(62);
    world.step(&[world.chain.exit(&alice(), 0)]);
    let release = Height::new(63 + 48);
    assert_eq!(world.masternode(0).expect("leaving").release, Some(release));
    world.to(110);
    let before = balance(&world.chain, &alice()).base_units();
    world.step(&[]);
    let after = balance(&world.chain, &alice()).base_units();
    assert_eq!(after - before, coins(4).base_units());
    let left: Vec<_> = world
        .chain
        .state()
        .values()
        .keys()
        .filter(|key| {
            matches!(
                key,
                StateKey::Masternode(_)
                    | StateKey::MasternodeKey(_)
                    | StateKey::LiveMasternodes(_)
                    | StateKey::QueueEntry(_)
                    | StateKey::Releases(_)
            )
        })
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn orders_about_masternodes_break_rules_of_context() {
    let mut world = World::new(&[], 1);
    let chain = &world.chain;
    let masternode = MasternodeId::new(0);
    let used = Some(Rule::MasternodeKeyUsed { masternode });
    for (operator, voting) in [
        (operator(0), voting(9)),
        (operator(9), voting(0)),
        (voting(0), operator(9)),
    ] {
        let order = chain.register(&alice(), 0, &operator, &voting);
        assert_eq!(world.refusal(&order), used);
    }
    let unknown = Some(Rule::MasternodeUnknown {
        masternode: MasternodeId::new(5),
    });
    assert_eq!(world.refusal(&chain.exit(&alice(), 5)), unknown);
    let strangers = chain.exit(&bob(), 0);
    let mut paid = world.chain.clone();
    let gift = {
        let prefix = alice().prefix(account(&paid, &alice()).nonce, MAX_FEE);
        let to = [operator(0).account(), bob().account()].map(|to| (to, base(10_000_000)));
        alice().transfer(paid.params(), prefix, &to)
    };
    paid.mine(miner(), &[gift], &[]);
    world.chain = paid;
    assert_eq!(world.refusal(&strangers), Some(Rule::NotOwner));
    let chain = &world.chain;
    assert_eq!(
        world.refusal(&chain.revive(&bob(), 0)),
        Some(Rule::NotOwner)
    );
    assert_eq!(
        world.refusal(&chain.revive(&operator(0), 0)),
        Some(Rule::NotBanned { masternode })
    );
    world.step(&[world.chain.exit(&alice(), 0)]);
    let release = Height::new(world.chain.height() + 48);
    let again = world.chain.exit(&alice(), 0);
    assert_eq!(
        world.refusal(&again),
        Some(Rule::AlreadyLeaving { release })
    );
}

/// A state whose bonds and masternodes must not be looked at.
struct Aloof<'a>(&'a MemoryState);

impl StateView for Aloof<'_> {
    fn value(&self, key: &StateKey) -> Result<Option<Vec<u8>>, ViewError> {
        let is_stake = matches!(key, StateKey::Bond(_) | StateKey::Masternode(_));
        assert!(!is_stake, "{key:?} was read");
        self.0.value(key)
    }
    fn node(&self, node_key: &[u8]) -> Result<Option<Vec<u8>>, ViewError> {
        self.0.node(node_key)
    }
    fn seen(&self, one_time_key: &chain::PublicKey) -> Result<Option<RateEpoch>, ViewError> {
        self.0.seen(one_time_key)
    }
    fn seen_in(&self, epoch: RateEpoch) -> Result<Vec<chain::PublicKey>, ViewError> {
        self.0.seen_in(epoch)
    }
    fn ancestor(&self, height: Height) -> Result<Option<Header>, ViewError> {
        self.0.ancestor(height)
    }
    fn tip_height(&self) -> Result<Height, ViewError> {
        self.0.tip_height()
    }
}

#[test]
fn what_peers_offer_at_a_boundary_costs_no_walk_over_all_bonds() {
    let mut world = World::new(&[5, 5], 1);
    world.to(71);
    let chain = &world.chain;
    let view = Aloof(chain.state());
    let nonce = account(chain, &alice()).nonce;
    let transfer = to_bob(chain, nonce, 5);
    let checked = chain.check_transaction(&transfer).expect("valid by itself");
    let message = chain
        .check_envelope(&message(chain, 1).envelope)
        .expect("valid by itself");
    let mut draft = Draft::new(&view, chain.params()).expect("memory");
    assert_eq!(broken(draft.screen_transaction(&transfer)), None);
    assert_eq!(broken(draft.try_transaction(&checked)), None);
    assert_eq!(broken(draft.try_envelope(&message)), None);
}
