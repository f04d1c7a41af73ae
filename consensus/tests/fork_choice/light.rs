//! Branches far behind the best chain are remembered only if they could catch up.

use chain::BlockId;
use consensus::TreeError;
use consensus::fork_choice::{BLOCKS_MAX, BlockStatus, Insertion, LIGHT_BLOCKS, TREE_DEPTH_BLOCKS};

use crate::forge::{Forge, SPACING_MS, apply_all, insert_all};

#[test]
fn a_branch_far_behind_is_taken_as_a_whole_or_not_at_all() {
    let mut forge = Forge::with_terms(1_024);
    let mut tree = forge.tree();
    let ours = forge.chain(&forge.genesis(), LIGHT_BLOCKS + 40);
    apply_all(&mut tree, &ours);
    // Blocks of one weight: a header may be as far behind as the limit says, and no farther.
    let near = forge.child(ours[38].id(), 0, SPACING_MS);
    assert_eq!(tree.insert(&near), Ok(Insertion::Added));
    let far = forge.child(ours[37].id(), 0, SPACING_MS);
    assert_eq!(tree.insert(&far), Err(TreeError::TooLight));
    assert_eq!(tree.status(far.id()), None);

    let branch = forge.chain(ours[9].id(), 31);
    let held = tree.len();
    assert_eq!(tree.insert_branch(&branch[..29]), Err(TreeError::TooLight));
    assert_eq!(tree.len(), held, "nothing of it is remembered");
    assert_eq!(tree.insert_branch(&branch), Ok(()));
    assert_eq!(tree.status(branch[0].id()), Some(BlockStatus::HeaderOnly));
    assert!(!tree.may_win(branch[30].id()));
    let rest = forge.chain(branch[30].id(), LIGHT_BLOCKS);
    insert_all(&mut tree, &rest).expect("each is heavy enough by now");
    assert!(tree.may_win(rest[LIGHT_BLOCKS - 1].id()));
    let stray = forge.chain(far.id(), 2);
    let parent = *far.id();
    assert_eq!(
        tree.insert_branch(&stray),
        Err(TreeError::UnknownParent { parent })
    );
}

#[test]
fn a_branch_is_weighed_like_its_headers_one_by_one() {
    let mut forge = Forge::new();
    let (mut single, mut whole) = (forge.tree(), forge.tree());
    let mut branch = Vec::new();
    let mut parent = forge.genesis();
    for uncles in [0, 2, 1, 0, 2, 2, 0, 1, 1, 2] {
        let header = forge.child(&parent, uncles, SPACING_MS);
        parent = *header.id();
        branch.push(header);
    }
    insert_all(&mut single, &branch).expect("in order");
    whole.insert_branch(&branch).expect("as a whole");
    // The bound decides what is asked for: both ask for the same.
    let none = |_: &BlockId| false;
    assert_eq!(
        single.wanted_bodies(64, none),
        whole.wanted_bodies(64, none)
    );
    assert_eq!(single.best_header(), whole.best_header());
}

#[test]
fn what_the_tree_lets_go_of_is_named_once() {
    let mut forge = Forge::new();
    let mut tree = forge.tree();
    let depth = usize::try_from(TREE_DEPTH_BLOCKS).expect("a small number");
    let chain = forge.chain(&forge.genesis(), depth + 300);
    let side = forge.chain(chain[9].id(), 3);
    for (index, header) in chain.iter().enumerate() {
        apply_all(&mut tree, std::slice::from_ref(header));
        if index == 9 {
            insert_all(&mut tree, &side).expect("in order");
        }
        tree.prune_behind(header.id());
    }
    let mut forgotten = tree.take_forgotten();
    let mut expected: Vec<BlockId> = side.iter().map(|header| *header.id()).collect();
    forgotten.sort_unstable();
    expected.sort_unstable();
    assert_eq!(forgotten, expected, "and not the chain below the root");
    assert_eq!(tree.take_forgotten(), []);
}

#[test]
fn a_level_that_is_not_known_yet_may_be_one_higher_in_each_term() {
    // Four blocks to a term; the branch parts after height 5, whose terms gave no level.
    let mut forge = Forge::with_terms(4);
    let mut tree = forge.tree();
    let ours = forge.chain(&forge.genesis(), 40);
    apply_all(&mut tree, &ours);
    // Heights 6 to 11 are level 0 by what was applied; 12 to 15 at most 1, 16 to 19 at most 2.
    // Blocks are worth 2: 6 * 2 + 4 * 4 + 4 * 8 and the 5 * 2 before.
    let branch = forge.chain(ours[4].id(), 14);
    tree.insert_branch(&branch)
        .expect("a short chain is no limit");
    assert!(
        !tree.may_win(branch[12].id()),
        "10 + 12 + 16 + 24 is below 80"
    );
    let more = forge.chain(branch[13].id(), 1);
    tree.insert_branch(&more).expect("linked");
    assert!(tree.may_win(more[0].id()), "10 + 12 + 16 + 32 + 16 is not");
}

#[test]
fn a_branch_that_finds_no_room_leaves_nothing_behind() {
    let mut forge = Forge::with_terms(1_024);
    let mut tree = forge.tree();
    let ours = forge.chain(&forge.genesis(), LIGHT_BLOCKS + 40);
    apply_all(&mut tree, &ours);
    // Nearly full of headers that seem heavier, for the uncles that they count.
    while tree.len() < BLOCKS_MAX - 100 {
        let heavy = forge.child(ours[LIGHT_BLOCKS + 38].id(), 2, SPACING_MS);
        tree.insert(&heavy).expect("there is room");
    }
    let held = tree.len();
    let branch = forge.chain(ours[9].id(), 200);
    assert_eq!(tree.insert_branch(&branch), Err(TreeError::Full));
    assert_eq!(tree.len(), held);
    assert!(
        branch
            .iter()
            .all(|header| tree.status(header.id()).is_none())
    );
}
