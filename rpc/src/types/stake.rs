//! The JSON objects of stake and finality: bonds, committees, masternodes, checkpoints.
//!
//! # Invariants
//! As of [`super`]. Weights are whole coins; what somebody had to do and did is of the tip's term.
//!
//! # Spec
//! docs/spec/07-rpc.md §3
//!
//! # Not here
//! What the words mean for the chain: docs/spec/17-stake.md, docs/spec/18-finality.md.

use chain::{BlockId, PublicKey};

use super::{AddressText, BaseUnits, Hex};
use crate::schema::{answers, words};

words! {
    /// What a bond does.
    BondState {
        /// It is drawn for seats, from the term after the next boundary on.
        Active = "active",
        /// It did not vote and is left out until it is woken.
        Dormant = "dormant",
        /// It voted twice and is left out for a while.
        Jailed = "jailed",
        /// It will be paid back.
        Leaving = "leaving",
    }

    /// What a masternode does.
    MasternodeState {
        /// It serves.
        Active = "active",
        /// It was silent for too long, until its operator revives it.
        Banned = "banned",
        /// It contradicted itself; there is no way back.
        Slashed = "slashed",
        /// It will be paid back.
        Leaving = "leaving",
    }
}

answers! {
    /// Where finality stands.
    FinalityStatus {
        /// Height of the tip that this is about.
        height: u64,
        /// Its id.
        block: Hex<BlockId>,
        /// Highest justified checkpoint; genesis before the first.
        justified: CheckpointPoint,
        /// Highest final checkpoint; genesis before the first. This node never leaves it.
        finalized: CheckpointPoint,
        /// Blocks from the final one to the tip.
        gap_blocks: u64,
        /// How often seats may double the work of a block of the tip's term; 0 without stake.
        level: u32,
        /// Who signs checkpoints and earns; nobody while finality is off.
        front: RosterSums,
        /// Who signed before them: a checkpoint needs both.
        rear: RosterSums,
        /// Regular hand-overs of the rosters so far.
        dynasty: u32,
    }

    /// A checkpoint and its block.
    CheckpointPoint {
        /// Number of the checkpoint.
        number: u32,
        /// Height of its block.
        height: u64,
        /// Id of its block.
        id: Hex<BlockId>,
    }

    /// A roster in two numbers.
    RosterSums {
        /// Masternodes in it.
        members: u32,
        /// Their weight together.
        weight: u64,
    }

    /// A bond at the tip.
    BondStatus {
        /// Its number.
        bond: u32,
        /// Who is paid back and earns.
        owner: AddressText,
        /// Signs its votes.
        vote_key: Hex<PublicKey>,
        /// Coins that are left of it.
        amount: BaseUnits,
        /// Its weight in the lottery.
        weight: u64,
        /// What it does.
        state: BondState,
        /// Seats that it held at the heights booked in this term.
        assigned: u32,
        /// How many of them voted.
        voted: u32,
        /// First boundary at which it may be drawn again, of a jailed one.
        jailed_until: Option<u64>,
        /// Block that pays it back, of a leaving one.
        release_height: Option<u64>,
    }

    /// Bonds of an owner, ascending by number.
    BondPage {
        /// Height of the state.
        height: u64,
        /// Block of the state.
        block: Hex<BlockId>,
        /// The bonds found.
        bonds: Vec<BondStatus>,
        /// Number to go on from: the call looks at a bounded number of bonds of all owners.
        next: Option<u32>,
    }

    /// A masternode at the tip.
    MasternodeStatus {
        /// Its number.
        masternode: u32,
        /// Who paid the collateral and gets it back.
        owner: AddressText,
        /// Signs checkpoints and revives it.
        operator_key: Hex<PublicKey>,
        /// Kept for votes about the network itself.
        voting_key: Hex<PublicKey>,
        /// Who earns.
        payout: AddressText,
        /// Where it is reached: IP address and port.
        service_address: String,
        /// What it offers there, as bits.
        service: u32,
        /// Coins that are left of its collateral.
        collateral: BaseUnits,
        /// Weight of its signature.
        weight: u64,
        /// What it does.
        state: MasternodeState,
        /// Penalty for terms of silence; 100 is a ban.
        penalty: u32,
        /// Whether it signs in the front roster.
        front: bool,
        /// Whether it signs in the rear roster.
        rear: bool,
        /// Whether it is in the roster that may take office at the next boundary.
        candidate: bool,
        /// Checkpoints of this term that it had to sign as a front member, as far as booked.
        assigned: u32,
        /// How many of them it signed.
        signed: u32,
        /// Block that registered it.
        registered: u64,
        /// Last block that paid it.
        last_paid: Option<u64>,
        /// Block that pays the collateral back, of a leaving one.
        release_height: Option<u64>,
    }

    /// Masternodes of an owner, ascending by number.
    MasternodePage {
        /// Height of the state.
        height: u64,
        /// Block of the state.
        block: Hex<BlockId>,
        /// The masternodes found.
        masternodes: Vec<MasternodeStatus>,
        /// Number to go on from: the call looks at a bounded number of masternodes of all owners.
        next: Option<u32>,
    }

    /// Who votes for the block at a height.
    CommitteeStatus {
        /// The height.
        height: u64,
        /// How often seats may double the work of its block.
        level: u32,
        /// Weight of all bonds that seats were drawn among; 0 if nobody had bonded.
        weight: u64,
        /// Who holds its eight seats, ascending by bond.
        members: Vec<CommitteeMember>,
        /// The best chain's block there, if there is one.
        block: Option<Hex<BlockId>>,
        /// Seats that this node counts for that block.
        seats: Option<u32>,
    }

    /// A bond that votes.
    CommitteeMember {
        /// Its number.
        bond: u32,
        /// Signs its vote.
        vote_key: Hex<PublicKey>,
        /// How many seats it holds.
        seats: u32,
        /// Whether a block includes its vote already; false again once that is booked.
        included: bool,
    }

    /// Seats of consecutive blocks of the best chain.
    SeatPage {
        /// Ascending by height, without gaps.
        blocks: Vec<BlockSeats>,
        /// Height to go on from; absent at the tip.
        next: Option<u64>,
    }

    /// Seats that voted for a block.
    BlockSeats {
        /// Height.
        height: u64,
        /// Block id.
        id: Hex<BlockId>,
        /// Seats that this node counts, heard or included; five confirm. Absent for blocks so deep
        /// that it counts no more.
        seats: Option<u32>,
        /// Whether the block is final.
        is_final: bool,
    }

    /// Why a node neither mines nor votes.
    AlarmStatus {
        /// A stable word.
        reason: String,
        /// What happened and what to do.
        detail: String,
    }

    /// What a node signs for somebody.
    DutyStatus {
        /// The key that signs.
        key: Hex<PublicKey>,
        /// A stable word: what it is doing.
        state: String,
        /// Height last voted for, or checkpoint last signed.
        last: Option<u64>,
    }
}
