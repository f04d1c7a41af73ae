//! Behaviour of whole profiles against each other, over a chain made of vectors.

mod access;
mod authors;
mod conflicts;
mod crashes;
mod forgeries;
mod garbage;
mod inbox;
mod messages;
mod order;
mod records;
mod restore;
mod world;
