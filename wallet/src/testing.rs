//! Builders for this crate's own tests: keys, blocks, and a wallet with a chain to follow.

use chain::envelope::{Auth, ClearPayment, EnvelopeKind, SizeClass};
use chain::signature::Signature;
use chain::transaction::{Order, Output, Prefix, Signed, Transfer};
use chain::units::RateEpoch;
use chain::{
    AccountId, Amount, Block, BlockId, Body, ChainId, Envelope, EnvelopeBytes, Header, Height,
    Network, PublicKey, Timestamp, Transaction,
    hash::{self, Context},
};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::activity::{BlockScan, Credit, CreditSource, ScannedPayment, ScannedTransaction};
use crate::change_set::ChangeSet;
use crate::keys::{AccountKey, KeyTree, Words};
use crate::ledger::{AccountSnapshot, Ledger};
use crate::order::{OrderId, SignedOrder};
use crate::plan::TransferRequest;

/// Price of a KiB in all tests (base units).
pub(crate) const PRICE: u64 = 1_024;

/// Deterministic randomness.
pub(crate) fn rng(seed: u8) -> ChaCha20Rng {
    ChaCha20Rng::from_seed([seed; 32])
}

/// The identity key of words made from `seed`.
pub(crate) fn key(seed: u8) -> AccountKey {
    let words = Words::generate(&mut rng(seed));
    let tree = KeyTree::new(&words, "", Network::Regtest, 0).expect("a key exists");
    tree.account_key(0).expect("a key exists")
}

/// The chain of all tests.
pub(crate) fn chain_id() -> ChainId {
    ChainId::from_bytes([3; 32])
}

/// A signed transfer outside any ledger.
pub(crate) fn transfer(from: &AccountKey, nonce: u64, to: &[(AccountId, u64)]) -> Transaction {
    let output = |&(to, amount)| Output {
        to,
        amount: Amount::from_base(amount),
    };
    let outputs = to.iter().map(output).collect();
    order(from, nonce, Transfer { outputs }, Order::Transfer)
}

/// A signed order outside any ledger; `order` says of which kind the body is.
pub(crate) fn order<B>(
    from: &AccountKey,
    nonce: u64,
    body: B,
    order: impl FnOnce(Signed<B>) -> Order,
) -> Transaction {
    let prefix = Prefix {
        sender: from.public(),
        nonce,
        ..Prefix::default()
    };
    let order = order(Signed {
        prefix,
        body,
        signature: Signature::default(),
    });
    Transaction::signed(order, &chain_id(), from.keypair(), &[0; 32])
}

/// A small envelope paid by `payer`.
pub(crate) fn paid_envelope(payer: &AccountKey, nonce: u64, burn: u64) -> Envelope {
    let class = SizeClass::SMALLEST;
    let mut envelope = Envelope {
        kind: EnvelopeKind::Message,
        class,
        net: chain_id().net(),
        rate_epoch: RateEpoch::new(0),
        one_time_key: PublicKey::default(),
        salt: [0; 16],
        body: vec![0; Envelope::body_len(EnvelopeKind::Message, class)],
        auth: Auth::None,
        signature: Signature::default(),
    };
    let (core, burn) = (envelope.core_hash(), Amount::from_base(burn));
    let payment = ClearPayment::signed(&core, nonce, burn, &chain_id(), payer.keypair(), &[0; 32]);
    envelope.auth = Auth::Clear(payment);
    envelope
}

/// A block at height 1 with this content.
pub(crate) fn block(transactions: Vec<Transaction>, envelopes: Vec<EnvelopeBytes>) -> Block {
    let header = Header {
        height: Height::new(1),
        ..Header::default()
    };
    Block {
        header,
        body: Body {
            transactions,
            envelopes,
            ..Body::default()
        },
    }
}

static TEST_BLOCK: Context = Context::new("test block");

/// Id of the `branch`-th block at `height`.
pub(crate) fn block_id(height: u64, branch: u64) -> BlockId {
    let parts: [&[u8]; 2] = [&height.to_le_bytes(), &branch.to_le_bytes()];
    BlockId::from_bytes(hash::derive(&TEST_BLOCK, &parts))
}

/// A wallet of one account that follows a chain written by the test.
pub(crate) struct Story {
    pub(crate) key: AccountKey,
    pub(crate) ledger: Ledger,
    pub(crate) kept: Vec<ChangeSet>,
    rng: ChaCha20Rng,
    branch: u64,
}

impl Story {
    /// Height 0 is followed, nothing was observed.
    pub(crate) fn new() -> Self {
        let key = key(1);
        let (ledger, beginning) = Ledger::create(Network::Regtest, chain_id(), Height::new(0));
        let kept = vec![beginning];
        let mut story = Self {
            key,
            ledger,
            kept,
            rng: rng(9),
            branch: 0,
        };
        let account = story.ledger.add_account(0, story.key.public());
        story.keep(account);
        let genesis = BlockScan {
            id: block_id(0, 0),
            ..BlockScan::default()
        };
        story.connect(&genesis);
        story
    }

    pub(crate) fn account(&self) -> AccountId {
        self.key.account()
    }

    /// Keeps a change set, then applies it, as a session does.
    pub(crate) fn keep(&mut self, changes: ChangeSet) {
        self.kept.push(changes.clone());
        self.ledger.apply(changes);
    }

    pub(crate) fn connect(&mut self, block: &BlockScan) {
        let changes = self.ledger.connect(block).expect("it continues the tip");
        self.keep(changes);
    }

    /// The tip's child, empty.
    pub(crate) fn next_block(&mut self) -> BlockScan {
        let tip = self.ledger.tip().expect("genesis is followed");
        let height = tip.height.next().expect("far from the end");
        self.branch += 1;
        BlockScan {
            id: block_id(height.get(), self.branch),
            parent: tip.id,
            height,
            time: Timestamp::new(1_000 * height.get()),
            ..BlockScan::default()
        }
    }

    /// A block that pays `reward` to the account.
    pub(crate) fn mine(&mut self, reward: u64) {
        let (account, amount) = (self.account(), Amount::from_base(reward));
        let credits = vec![Credit {
            account,
            source: CreditSource::Mining,
            amount,
        }];
        let block = BlockScan {
            credits,
            ..self.next_block()
        };
        self.connect(&block);
    }

    /// A block with these own orders; every transaction burns `fee`.
    pub(crate) fn include(&mut self, ids: &[OrderId], fee: u64) {
        let mut block = self.next_block();
        for (id, index) in ids.iter().zip(0..) {
            let (order, _) = self.ledger.order(id).expect("an own order");
            match (id, &order.signed) {
                (OrderId::Payment(core), SignedOrder::Payment(payment)) => {
                    block.payments.push(ScannedPayment {
                        index,
                        core: *core,
                        payment: *payment,
                    });
                }
                (_, SignedOrder::Transaction(transaction)) => {
                    let transaction = transaction.clone();
                    let fee = Amount::from_base(fee);
                    block.transactions.push(ScannedTransaction {
                        index,
                        transaction,
                        fee,
                    });
                }
                (OrderId::Transaction(_), SignedOrder::Payment(_)) => {
                    panic!("an order is kept under its own kind of id")
                }
            }
        }
        self.connect(&block);
    }

    /// Disconnects the tip.
    pub(crate) fn revert(&mut self) {
        let tip = self.ledger.tip().expect("a block is followed");
        let changes = self.ledger.revert(&tip.id).expect("it is the tip");
        self.keep(changes);
    }

    /// The node says that the account holds what the entries say, and `more`.
    pub(crate) fn open_with(&mut self, more: u64) {
        let account = self.account();
        let balance = self.ledger.balance(&account).confirmed.base_units() + more;
        let nonce = self.ledger.chain_nonce(&account);
        self.observe(balance, nonce);
    }

    /// The node says what the account holds.
    pub(crate) fn observe(&mut self, balance: u64, nonce: u64) {
        let tip = self.ledger.tip().expect("a block is followed");
        let balance = Amount::from_base(balance);
        let snapshot = AccountSnapshot {
            balance,
            nonce,
            ..AccountSnapshot::default()
        };
        let account = self.account();
        let changes = self
            .ledger
            .observe(account, &tip.id, snapshot)
            .expect("it is the tip");
        self.keep(changes);
    }

    /// A request to pay `amount` to `to`, an existing account.
    pub(crate) fn request(&self, to: AccountId, amount: u64) -> TransferRequest {
        TransferRequest {
            from: self.account(),
            outputs: vec![Output {
                to,
                amount: Amount::from_base(amount),
            }],
            price_per_kib: Amount::from_base(PRICE),
            existing: [to].into(),
            ..TransferRequest::default()
        }
    }

    /// Signs a transfer and keeps it.
    pub(crate) fn send(&mut self, to: AccountId, amount: u64) -> OrderId {
        let plan = self
            .ledger
            .plan_transfer(&self.request(to, amount))
            .expect("affordable");
        let (transaction, changes) = self
            .ledger
            .build_transfer(&plan, &self.key, &mut self.rng)
            .expect("the plan is fresh");
        self.keep(changes);
        OrderId::Transaction(transaction.id())
    }
}
