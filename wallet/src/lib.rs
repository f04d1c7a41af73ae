//! Whose coins: keys from words, key files, and a ledger that follows the chain.
//!
//! ```
//! use chain::{ChainId, Height, Network};
//! use wallet::{AccountSnapshot, BlockScan, KeyTree, Ledger, Words};
//! # use rand_chacha::rand_core::SeedableRng;
//! # let mut rng = rand_chacha::ChaCha20Rng::from_seed([7; 32]);
//!
//! let words = Words::generate(&mut rng);
//! let keys = KeyTree::new(&words, "", Network::Dev, 0)?;
//! let identity = keys.account_key(0)?;
//!
//! // Every method hands back a change set; the session keeps it first and applies it then.
//! let (mut ledger, _beginning) = Ledger::create(Network::Dev, ChainId::default(), Height::new(0));
//! ledger.apply(ledger.add_account(0, identity.public()));
//! let genesis = BlockScan::default();
//! ledger.apply(ledger.connect(&genesis)?);
//! let nothing = AccountSnapshot::default();
//! ledger.apply(ledger.observe(identity.account(), &genesis.id, nothing)?);
//! assert_eq!(ledger.balance(&identity.account()).spendable, chain::Amount::ZERO);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Invariants
//! * No disk, clock, random generator, runtime or socket: everything comes in as an argument, and
//!   whatever must be remembered goes out as a [`ChangeSet`].
//! * Secrets are erased when dropped, never printed, and leave only as the types of [`secret`].
//!
//! # Spec
//! docs/spec/08-wallet.md
//!
//! # Not here
//! Conversations (`messenger`), rules and prices (`consensus`), the vault and the session (`app`).

#![forbid(unsafe_code)]

pub mod activity;
pub mod build;
pub mod change_set;
pub mod error;
pub mod follow;
pub mod history;
pub mod keys;
pub mod keystore;
pub mod ledger;
pub mod message;
pub mod order;
pub mod plan;
pub mod secret;
pub mod stake;
pub mod uri;
pub mod vault_key;

#[cfg(test)]
mod testing;

pub use activity::{BlockScan, Credit, CreditSource, Duty};
pub use change_set::{AccountOrigin, ChangeSet};
pub use error::{
    BuildError, ChangeSetError, DiscardError, FollowError, KeyError, KeystoreError, MessageError,
    PlanError, UriError,
};
pub use history::HistoryRow;
pub use keys::{AccountKey, KeyTree, Seed, Words};
pub use ledger::{AccountSnapshot, Balance, Ledger, Tip};
pub use message::MessageSignature;
pub use order::{OrderId, OrderState, PendingOrder, SignedOrder};
pub use plan::{Admission, RecordPlan, RecordRequest, TransferPlan, TransferRequest};
pub use stake::{Registration, Revival, StakeOrder, StakePlan};
pub use uri::PaymentUri;
