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

use std::net::{Ipv6Addr, SocketAddr};

use chain::envelope::{Auth, EnvelopeKind};
use chain::transaction::{Bond, MnRegister, Order, ServiceAddress};
use chain::units::{BondId, MasternodeId};
use chain::{
    Block, BlockId, Envelope, EnvelopeError, Header, Height, Network, PublicKey, Transaction,
};

use super::{
    AddressText, AuthWord, BaseUnits, BlockView, BondView, EnvelopeKindWord, EnvelopeView,
    GetBlock, GetBond, GetHeader, GetMasternode, HeaderView, Hex, OutputView, RawHex,
    RegistrationView, TransactionKind, TransactionView,
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

/// How a caller names a bond or a masternode, whose numbers are a `T`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named<T> {
    /// By its number.
    Number(T),
    /// By a key of it.
    Key(PublicKey),
}

impl<T> Named<T> {
    fn new(number: Option<T>, key: Option<Hex<PublicKey>>) -> Result<Self, RpcFailure> {
        match (number, key) {
            (Some(number), None) => Ok(Self::Number(number)),
            (None, Some(Hex(key))) => Ok(Self::Key(key)),
            _ => Err(RpcFailure::bad_parameter(
                "number_or_key",
                "name it either by its number or by its key",
            )),
        }
    }
}

impl GetBond {
    /// The bond that the caller names.
    ///
    /// # Errors
    /// `number_or_key` (-8) unless exactly one of them is given.
    pub fn bond(&self) -> Result<Named<BondId>, RpcFailure> {
        Named::new(self.bond.map(BondId::new), self.vote_key)
    }
}

impl GetMasternode {
    /// The masternode that the caller names.
    ///
    /// # Errors
    /// `number_or_key` (-8) unless exactly one of them is given.
    pub fn masternode(&self) -> Result<Named<MasternodeId>, RpcFailure> {
        Named::new(self.masternode.map(MasternodeId::new), self.key)
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
        let mut view = Self {
            id: Hex(transaction.id()),
            kind: TransactionKind::of(&transaction.order),
            sender: AddressText::new(network, transaction.sender()),
            nonce: prefix.nonce,
            max_fee: BaseUnits(prefix.max_fee),
            tip: BaseUnits(prefix.tip),
            outputs: None,
            bond: None,
            bond_id: None,
            registration: None,
            masternode_id: None,
            raw: RawHex::encoding(transaction),
        };
        match &transaction.order {
            Order::Transfer(order) => {
                let outputs = order.body.outputs.iter().map(|output| OutputView {
                    to: AddressText::new(network, output.to),
                    amount: BaseUnits(output.amount),
                });
                view.outputs = Some(outputs.collect());
            }
            Order::Bond(order) => view.bond = Some(BondView::new(&order.body)),
            Order::Unbond(order) => view.bond_id = Some(order.body.bond.get()),
            Order::Wake(order) => view.bond_id = Some(order.body.bond.get()),
            Order::MnRegister(order) => {
                view.registration = Some(RegistrationView::new(&order.body, network));
            }
            Order::MnRevive(order) => view.masternode_id = Some(order.body.masternode.get()),
            Order::MnExit(order) => view.masternode_id = Some(order.body.masternode.get()),
            Order::AccountRecord(_) => {}
        }
        view
    }
}

impl TransactionKind {
    fn of(order: &Order) -> Self {
        match order {
            Order::Transfer(_) => Self::Transfer,
            Order::Bond(_) => Self::Bond,
            Order::Unbond(_) => Self::Unbond,
            Order::Wake(_) => Self::Wake,
            Order::MnRegister(_) => Self::MnRegister,
            Order::MnRevive(_) => Self::MnRevive,
            Order::MnExit(_) => Self::MnExit,
            Order::AccountRecord(_) => Self::AccountRecord,
        }
    }
}

impl BondView {
    fn new(bond: &Bond) -> Self {
        Self {
            vote_key: Hex(bond.vote_key),
            amount: BaseUnits(bond.amount),
        }
    }
}

impl RegistrationView {
    fn new(registration: &MnRegister, network: Network) -> Self {
        Self {
            operator_key: Hex(registration.operator_key),
            voting_key: Hex(registration.voting_key),
            payout: AddressText::new(network, registration.payout),
            service_address: socket(&registration.address).to_string(),
            service: registration.service,
        }
    }
}

/// The address as programs write it; a mapped one is IPv4.
#[must_use]
pub fn socket(address: &ServiceAddress) -> SocketAddr {
    SocketAddr::new(Ipv6Addr::from(address.ip).to_canonical(), address.port)
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
mod tests;
