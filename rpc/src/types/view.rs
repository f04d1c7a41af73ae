//! How the chain's types become JSON objects, and how parameters name a block.
//!
//! # Invariants
//! A view repeats what the object says; nothing is judged or looked up here.
//!
//! # Spec
//! docs/spec/07-rpc.md §3
//!
//! # Not here
//! Where an object stands in the chain: the node fills `in_block` and `best_chain`.

use chain::envelope::{Auth, EnvelopeKind};
use chain::transaction::Order;
use chain::{Block, BlockId, Envelope, EnvelopeError, Header, Height, Network, Transaction};

use super::{
    AddressText, AuthWord, BaseUnits, BlockView, EnvelopeKindWord, EnvelopeView, GetBlock,
    GetHeader, HeaderView, Hex, OutputView, RawHex, TransactionKind, TransactionView,
};
use crate::error::RpcFailure;

/// How a caller names a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockSelector {
    /// The block of this height in the best chain.
    Height(Height),
    /// The block of this id, in any chain.
    Id(BlockId),
}

impl BlockSelector {
    fn new(height: Option<u64>, id: Option<Hex<BlockId>>) -> Result<Self, RpcFailure> {
        match (height, id) {
            (Some(height), None) => Ok(Self::Height(Height::new(height))),
            (None, Some(Hex(id))) => Ok(Self::Id(id)),
            _ => Err(RpcFailure::bad_parameter(
                "height_or_id",
                "name the block either by height or by id",
            )),
        }
    }

    fn into_parts(self) -> (Option<u64>, Option<Hex<BlockId>>) {
        match self {
            Self::Height(height) => (Some(height.get()), None),
            Self::Id(id) => (None, Some(Hex(id))),
        }
    }
}

impl GetHeader {
    /// The block that the caller names.
    ///
    /// # Errors
    /// `height_or_id` (-8) unless exactly one of them is given.
    pub fn block(&self) -> Result<BlockSelector, RpcFailure> {
        BlockSelector::new(self.height, self.id)
    }
}

impl From<BlockSelector> for GetHeader {
    fn from(block: BlockSelector) -> Self {
        let (height, id) = block.into_parts();
        Self { height, id }
    }
}

/// How a block is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockForm {
    /// Its parts as JSON.
    Decoded,
    /// Its bytes in hexadecimal.
    Raw,
}

impl GetBlock {
    /// Asks for `block`.
    #[must_use]
    pub fn new(block: BlockSelector, form: BlockForm) -> Self {
        let (height, id) = block.into_parts();
        Self {
            height,
            id,
            raw: (form == BlockForm::Raw).then_some(true),
        }
    }

    /// The block that the caller names.
    ///
    /// # Errors
    /// `height_or_id` (-8) unless exactly one of them is given.
    pub fn block(&self) -> Result<BlockSelector, RpcFailure> {
        BlockSelector::new(self.height, self.id)
    }

    /// How it is wanted.
    #[must_use]
    pub fn form(&self) -> BlockForm {
        if self.raw.unwrap_or_default() {
            BlockForm::Raw
        } else {
            BlockForm::Decoded
        }
    }
}

impl HeaderView {
    /// The header as JSON.
    #[must_use]
    pub fn new(header: &Header, network: Network) -> Self {
        Self {
            id: Hex(header.id()),
            version: header.version,
            height: header.height.get(),
            parent: Hex(header.parent),
            time_ms: header.time.get(),
            target: header.target.get(),
            pow_count: header.pow_count,
            tx_root: Hex(header.tx_root),
            envelope_root: Hex(header.envelope_root),
            aux_root: Hex(header.aux_root),
            state_root: Hex(header.state_root),
            supply: BaseUnits(header.supply),
            justified: header.justified.get(),
            finalized: header.finalized.get(),
            payout: AddressText::new(network, header.payout),
            nonce: header.nonce,
            extra: header.extra,
            solution: Hex(header.solution),
            raw: RawHex::encoding(header),
        }
    }
}

impl BlockView {
    /// The block as JSON.
    ///
    /// # Errors
    /// The first envelope that is none; a block that was checked has none such.
    pub fn new(
        block: &Block,
        network: Network,
        best_chain: bool,
        form: BlockForm,
    ) -> Result<Self, EnvelopeError> {
        let aux = &block.body.aux;
        let header = HeaderView::new(&block.header, network);
        let encoded = chain::codec::encode(block);
        let mut view = Self {
            header,
            best_chain,
            bytes: encoded.len() as u64,
            raw: None,
            transactions: None,
            envelopes: None,
            uncles: None,
            votes: None,
            finality_signatures: None,
            evidence: None,
        };
        if form == BlockForm::Raw {
            view.raw = Some(RawHex::new(&encoded));
            return Ok(view);
        }
        let transactions = block.body.transactions.iter();
        let envelopes = block.body.envelopes.iter();
        let signatures = aux
            .finality
            .iter()
            .map(|group| group.signatures.len())
            .sum();
        view.transactions = Some(
            transactions
                .map(|tx| TransactionView::new(tx, network))
                .collect(),
        );
        view.envelopes = Some(
            envelopes
                .map(|raw| Ok(EnvelopeView::new(&raw.parse()?)))
                .collect::<Result<_, _>>()?,
        );
        view.uncles = Some(aux.uncles.iter().map(|uncle| Hex(uncle.id())).collect());
        view.votes = Some(count(aux.votes.len()));
        view.finality_signatures = Some(count(signatures));
        view.evidence = Some(count(aux.evidence.len()));
        Ok(view)
    }
}

/// Items of a block, whose lists are bounded far below 2^32.
fn count(items: usize) -> u32 {
    u32::try_from(items).unwrap_or(u32::MAX)
}

impl TransactionView {
    /// The transaction as JSON.
    #[must_use]
    pub fn new(transaction: &Transaction, network: Network) -> Self {
        let prefix = transaction.prefix();
        let (kind, outputs) = match &transaction.order {
            Order::Transfer(order) => {
                let outputs = order.body.outputs.iter().map(|output| OutputView {
                    to: AddressText::new(network, output.to),
                    amount: BaseUnits(output.amount),
                });
                (TransactionKind::Transfer, Some(outputs.collect()))
            }
            Order::AccountRecord(_) => (TransactionKind::AccountRecord, None),
        };
        Self {
            id: Hex(transaction.id()),
            kind,
            sender: AddressText::new(network, transaction.sender()),
            nonce: prefix.nonce,
            max_fee: BaseUnits(prefix.max_fee),
            tip: BaseUnits(prefix.tip),
            outputs,
            raw: RawHex::encoding(transaction),
        }
    }
}

impl EnvelopeView {
    /// The envelope as JSON.
    #[must_use]
    pub fn new(envelope: &Envelope) -> Self {
        Self {
            id: Hex(envelope.mid()),
            wid: Hex(envelope.wid()),
            kind: match envelope.kind {
                EnvelopeKind::Message => EnvelopeKindWord::Message,
                EnvelopeKind::Inbox => EnvelopeKindWord::Inbox,
                EnvelopeKind::Blob => EnvelopeKindWord::Blob,
            },
            class: envelope.class.get(),
            auth: match &envelope.auth {
                Auth::None => AuthWord::None,
                Auth::RateLimit(_) => AuthWord::RateLimit,
                Auth::Stamp(_) => AuthWord::Stamp,
                Auth::Credit(_) => AuthWord::Credit,
                Auth::Clear(_) => AuthWord::Clear,
            },
            rate_epoch: envelope.rate_epoch.get(),
            one_time_key: Hex(envelope.one_time_key),
            raw: RawHex::new(envelope.to_bytes().as_slice()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chain::codec;
    use chain::envelope::SizeClass;
    use chain::transaction::{Output, Prefix, Signed, Transfer};
    use chain::units::RateEpoch;
    use chain::{AccountId, Amount, Body, PublicKey, Signature};

    fn transfer() -> Transaction {
        let output = Output {
            to: AccountId::from_bytes([7; 20]),
            amount: Amount::from_base(9),
        };
        let order = Order::Transfer(Signed {
            prefix: Prefix {
                nonce: 3,
                ..Prefix::default()
            },
            body: Transfer {
                outputs: vec![output],
            },
            signature: Signature::default(),
        });
        Transaction {
            version: Transaction::VERSION,
            order,
        }
    }

    fn envelope() -> Envelope {
        let class = SizeClass::SMALLEST;
        Envelope {
            kind: EnvelopeKind::Message,
            class,
            net: [0; 4],
            rate_epoch: RateEpoch::new(5),
            one_time_key: PublicKey::from_bytes([4; 32]),
            salt: [0; 16],
            body: vec![0; class.plaintext_len() + 16],
            auth: Auth::None,
            signature: Signature::default(),
        }
    }

    #[test]
    fn a_block_is_named_by_exactly_one_of_height_and_id() {
        let id = Hex(BlockId::from_bytes([1; 32]));
        let ask = |height, id| {
            GetBlock {
                height,
                id,
                raw: None,
            }
            .block()
        };
        assert_eq!(
            ask(Some(3), None),
            Ok(BlockSelector::Height(Height::new(3)))
        );
        assert_eq!(ask(None, Some(id)), Ok(BlockSelector::Id(id.0)));
        for neither_nor in [ask(None, None), ask(Some(3), Some(id))] {
            assert_eq!(neither_nor.expect_err("ambiguous").reason, "height_or_id");
        }
        let selector = BlockSelector::Id(id.0);
        assert_eq!(GetHeader::from(selector).block(), Ok(selector));
        assert_eq!(
            GetBlock::new(selector, BlockForm::Raw).form(),
            BlockForm::Raw
        );
        assert_eq!(
            GetBlock::new(selector, BlockForm::Decoded).form(),
            BlockForm::Decoded
        );
    }

    #[test]
    fn a_block_is_shown_decoded_or_raw() {
        let envelope = envelope();
        let body = Body {
            transactions: vec![transfer()],
            envelopes: vec![envelope.to_bytes()],
            ..Body::default()
        };
        let block = Block {
            header: Header::default(),
            body,
        };
        let decoded =
            BlockView::new(&block, Network::Dev, true, BlockForm::Decoded).expect("a block");
        assert_eq!(decoded.raw, None);
        let transaction = &decoded.transactions.as_ref().expect("decoded")[0];
        assert_eq!(
            (transaction.nonce, transaction.kind),
            (3, TransactionKind::Transfer)
        );
        let outputs = transaction.outputs.as_ref().expect("a transfer");
        assert_eq!(
            outputs[0].to.account_on(Network::Dev),
            Ok(AccountId::from_bytes([7; 20]))
        );
        let shown = &decoded.envelopes.as_ref().expect("decoded")[0];
        assert_eq!((shown.id, shown.rate_epoch), (Hex(envelope.mid()), 5));
        assert_eq!(shown.raw.envelope(), Ok(envelope));

        let raw = BlockView::new(&block, Network::Dev, true, BlockForm::Raw).expect("a block");
        assert_eq!(raw.transactions, None);
        let bytes = raw
            .raw
            .expect("raw")
            .bytes(Block::BYTES_MAX)
            .expect("hexadecimal");
        assert_eq!(bytes.len() as u64, raw.bytes);
        assert_eq!(codec::decode::<Block>(&bytes, Block::BYTES_MAX), Ok(block));
    }

    #[test]
    fn a_header_shows_every_field() {
        let header = Header {
            nonce: u64::MAX,
            ..Header::default()
        };
        let view = HeaderView::new(&header, Network::Main);
        assert_eq!((view.id, view.nonce), (Hex(header.id()), u64::MAX));
        assert_eq!(view.raw.decode::<Header>(Header::BYTES), Ok(header));
    }
}
