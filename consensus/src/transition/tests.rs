//! One test per rule of context, the steps of a block, and properties over random chains.

use chain::envelope::{Auth, EnvelopeKind, SizeClass};
use chain::evidence::DoubleVote;
use chain::finality::{FinalityGroup, FinalitySignature};
use chain::record::{AccountRecord, Stamp};
use chain::transaction::Prefix;
use chain::units::{BondId, CheckpointNumber, MasternodeId, RateEpoch};
use chain::vote::IncludedVote;
use chain::{AccountId, Envelope, Network, Timestamp, Transaction, codec};
use genesis::law;

use super::*;
use crate::reward;
use crate::state::StateKey;
use crate::state::value::{Account, Supply};
use crate::testing::{
    MemoryState, Owner, TestChain, TestEnvelope, alice, bob, miner, reseal, solve,
};

mod admission;
mod context;
mod evidence;
mod finality;
mod masternodes;
mod prop;
mod prop_stake;
mod stake_orders;
mod steps;
mod votes;
mod world;

/// Covers every fee of these tests.
const MAX_FEE: Amount = Amount::from_base(100_000);

fn base(units: u64) -> Amount {
    Amount::from_base(units)
}

/// Alice has mined two blocks and may spend both rewards.
fn funded() -> TestChain {
    let mut chain = TestChain::new(Network::Regtest);
    chain.mine_empty(alice().account(), 2);
    chain
}

fn balance(chain: &TestChain, owner: &Owner) -> Amount {
    account(chain, owner).balance
}

fn account(chain: &TestChain, owner: &Owner) -> Account {
    value::account(chain.state(), &owner.account()).expect("memory")
}

fn supply(chain: &TestChain) -> Supply {
    value::supply(chain.state()).expect("memory")
}

fn to_bob(chain: &TestChain, nonce: u64, amount: u64) -> Transaction {
    let prefix = alice().prefix(nonce, MAX_FEE);
    alice().transfer(chain.params(), prefix, &[(bob().account(), base(amount))])
}

/// What the next block says to a transaction that is valid by itself.
fn offered(chain: &TestChain, tx: &Transaction) -> Option<Rule> {
    let checked = chain.check_transaction(tx).expect("valid by itself");
    let mut draft = chain.draft();
    let screened = draft.screen_transaction(tx);
    let tried = draft.try_transaction(&checked);
    match &tried {
        // Only what a checked stamp knows is judged later than at first sight.
        Err(ApplyError::Rule(Rule::StampReference { .. } | Rule::StampLane { .. })) => {}
        _ => assert_eq!(screened, tried),
    }
    broken(tried)
}

/// What the next block says to an envelope that is valid by itself.
fn offered_envelope(chain: &TestChain, envelope: &Envelope) -> Option<Rule> {
    let checked = chain.check_envelope(envelope).expect("valid by itself");
    let mut draft = chain.draft();
    let screened = draft.screen_envelope(envelope);
    let tried = draft.try_envelope(&checked);
    match &tried {
        Err(ApplyError::Rule(Rule::StampReference { .. } | Rule::StampLane { .. })) => {}
        _ => assert_eq!(screened, tried),
    }
    broken(tried)
}

fn broken<T>(result: Result<T, ApplyError>) -> Option<Rule> {
    match result {
        Ok(_) => None,
        Err(ApplyError::Rule(rule)) => Some(rule),
        Err(ApplyError::View(error)) => panic!("memory answers, yet: {error}"),
    }
}

/// The verdict about an empty block after a change that its header follows.
fn changed(chain: &TestChain, change: impl FnOnce(&mut Block)) -> Option<Rule> {
    let mut block = chain.build(miner(), &[], &[]);
    change(&mut block);
    reseal(&mut block, chain.params());
    broken(chain.apply(&block))
}

fn message(chain: &TestChain, number: u64) -> TestEnvelope {
    TestEnvelope::message(chain.params(), chain.rate_epoch(), number)
}

/// A message in the next block's epoch that a stamp of this effort admits.
fn stamped(chain: &TestChain, number: u64) -> TestEnvelope {
    let mut made = message(chain, number);
    let stamp = chain.stamp(*made.envelope.core_hash().as_bytes(), 1);
    made.authorise(chain.params(), Auth::Stamp(stamp));
    made
}

/// A first record that a stamp admits.
fn stamped_record(chain: &TestChain, owner: &Owner, nonce: u64) -> Transaction {
    let record = owner.record(chain.params(), None);
    let order = |stamp| {
        let free = owner.prefix(nonce, Amount::ZERO);
        owner.set_record(chain.params(), free, record.clone(), Some(stamp))
    };
    let commitment = order(Stamp::default())
        .stamp_commitment()
        .expect("it has a stamp");
    order(chain.stamp(commitment, 16))
}

/// A sibling of the tip, solved, of the same height.
fn sibling(chain: &TestChain) -> Header {
    let mut shorter = chain.clone();
    shorter.disconnect();
    let mut block = shorter.build(bob().account(), &[], &[]);
    block.header.extra = 1;
    solve(&mut block.header, chain.params());
    block.header
}
