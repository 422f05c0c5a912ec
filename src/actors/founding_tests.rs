//! Who founds, who joins, who is let in: the decisions, without a network.

use std::collections::{BTreeMap, BTreeSet};

use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::{Decision, FoundingError, LocalIdentity, Membership, Met, admit, check_founded, decide, found};
use crate::dynamo::node_id::NodeId;
use crate::dynamo::ring::Member;
use crate::messages::cluster::{FoundedCluster, MemberAddress};
use crate::wire::handshake::{Hello, Refusal, Role, Welcome};

fn member(name: &str) -> MemberAddress {
    let member = Member { id: NodeId::new(name).unwrap(), zone: None, weight: 1 };
    MemberAddress { member, address: format!("host-{name}:7400") }
}

fn local(name: &str, founders: &[&str]) -> LocalIdentity {
    LocalIdentity {
        member: member(name),
        directory: 1,
        cluster_name: "slipring".to_owned(),
        seeds: Vec::new(),
        founders: founders.iter().map(|founder| member(founder).address).collect(),
        partitions: 16,
        n: 3,
    }
}

/// Everybody whom these tests know can be reached.
fn all() -> BTreeSet<NodeId> {
    ["a", "b", "c", "d"].into_iter().map(|name| NodeId::new(name).unwrap()).collect()
}

fn welcome(name: &str, founded: Option<FoundedCluster>) -> (String, Result<Welcome, String>) {
    let member = member(name);
    (member.address.clone(), Ok(Welcome { member, directory: 2, founded, nonce: [0; 16], proof: None }))
}

fn absent(name: &str) -> (String, Result<Welcome, String>) {
    (member(name).address, Err("no answer".to_owned()))
}

fn founded(names: &[&str], seed: u64) -> FoundedCluster {
    let members = names.iter().map(|name| Met { known: member(name), directory: 2 }).collect();
    found(&local(names[0], names), members, &mut StdRng::seed_from_u64(seed)).unwrap()
}

fn after(name: &str, answers: &[(String, Result<Welcome, String>)]) -> Result<Decision, FoundingError> {
    decide(&local(name, &["a", "b", "c"]), &answers.iter().cloned().collect())
}

#[test]
fn only_the_least_address_founds_and_only_when_all_have_met() {
    let all = [welcome("b", None), welcome("c", None)];
    let Ok(Decision::Found(members)) = after("a", &all) else { panic!("a founds") };
    assert_eq!(members.iter().map(|met| met.known.member.id.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
    assert!(matches!(after("b", &[welcome("a", None), welcome("c", None)]), Ok(Decision::Wait(_))));
    assert!(
        matches!(after("a", &[welcome("b", None), absent("c")]), Ok(Decision::Wait(why)) if why.contains("host-c"))
    );
}

#[test]
fn a_founder_that_lost_its_disk_joins_its_old_cluster() {
    let old = founded(&["a", "b", "c"], 1);
    let one_remembers = [welcome("b", Some(old.clone())), absent("c")];
    assert_eq!(after("a", &one_remembers), Ok(Decision::Join(old)));
}

#[test]
fn a_cluster_that_does_not_count_this_node_is_not_joined() {
    let others = founded(&["b", "c"], 1);
    assert!(matches!(after("a", &[welcome("b", Some(others)), absent("c")]), Err(FoundingError::NotAMember { .. })));
}

#[test]
fn two_members_with_one_name_found_nothing() {
    let mut twin = welcome("c", None);
    if let Ok(welcome) = &mut twin.1 {
        welcome.member.member.id = NodeId::new("b").unwrap();
    }
    let refused = after("a", &[welcome("b", None), twin]);
    assert_eq!(refused, Err(FoundingError::SameName { name: "b".to_owned() }));
}

#[test]
fn a_configuration_that_contradicts_the_data_directory_is_refused() {
    let known = founded(&["a", "b", "c"], 1);
    assert_eq!(check_founded(&local("a", &["a", "b", "c"]), &known), Ok(()));
    let renamed = LocalIdentity { cluster_name: "other".to_owned(), ..local("a", &["a", "b", "c"]) };
    assert!(matches!(check_founded(&renamed, &known), Err(FoundingError::OtherName { .. })));
    assert_eq!(check_founded(&local("a", &["a", "b"]), &known), Ok(()), "who founded it does not matter any more");
    assert!(matches!(check_founded(&local("d", &["a", "b", "c"]), &known), Err(FoundingError::NotAMember { .. })));
    let resized = LocalIdentity { partitions: 32, ..local("a", &["a", "b", "c"]) };
    assert!(matches!(check_founded(&resized, &known), Err(FoundingError::OtherPartitions { .. })));
}

fn hello(cluster: &FoundedCluster, who: &str, directory: u64) -> Hello {
    let role = Role::Peer { member: member(who), directory };
    let (name, uuid) = (Some(cluster.identity.name.clone()), Some(cluster.identity.uuid));
    Hello { cluster_name: name, cluster_uuid: uuid, role, nonce: [0; 16] }
}

#[test]
fn only_members_of_this_very_cluster_come_in() {
    let (ours, theirs) = (founded(&["a", "b", "c"], 1), founded(&["a", "b", "c"], 2));
    let here = local("a", &["a", "b", "c"]);
    let come = |hello: &Hello, connected: &[(&str, u64)]| {
        let connected: BTreeMap<NodeId, u64> =
            connected.iter().map(|(name, directory)| (NodeId::new(name).unwrap(), *directory)).collect();
        let reachable = all();
        let membership = Membership { founded: &ours, members: &ours.members, reachable: &reachable, metadata: None };
        admit(&here, Some(membership), &connected, hello, [9; 16]).map(|_| ())
    };
    assert_eq!(come(&hello(&ours, "b", 7), &[]), Ok(()));
    assert_eq!(come(&hello(&ours, "b", 7), &[("b", 7)]), Ok(()), "a second link of the same node");
    let name_taken = |name: &str| Err(Refusal::NameTaken { node: NodeId::new(name).unwrap() });
    assert_eq!(come(&hello(&ours, "b", 8), &[("b", 7)]), name_taken("b"));
    assert_eq!(come(&hello(&ours, "a", 7), &[]), name_taken("a"));
    assert!(matches!(come(&hello(&ours, "d", 7), &[]), Err(Refusal::NotAMember { .. })));
    assert!(matches!(come(&hello(&theirs, "b", 7), &[]), Err(Refusal::OtherCluster { .. })));
    let other_name = Hello { cluster_name: Some("other".to_owned()), ..hello(&ours, "b", 7) };
    assert!(matches!(come(&other_name, &[]), Err(Refusal::OtherName { .. })));
}

#[test]
fn who_is_a_member_now_comes_in_whoever_founded_the_cluster() {
    let (ours, here) = (founded(&["a", "b", "c"], 1), local("a", &["a", "b", "c"]));
    let (members, reachable) = ([member("a"), member("b"), member("d")], all());
    let membership = Membership { founded: &ours, members: &members, reachable: &reachable, metadata: None };
    let come =
        |name: &str| admit(&here, Some(membership), &BTreeMap::new(), &hello(&ours, name, 7), [9; 16]).map(|_| ());
    assert_eq!((come("b"), come("d")), (Ok(()), Ok(())));
    assert!(matches!(come("c"), Err(Refusal::NotAMember { .. })));
}

#[test]
fn clients_wait_until_there_is_a_cluster() {
    let here = local("a", &["a", "b"]);
    let client = Hello { cluster_name: None, cluster_uuid: None, role: Role::Client, nonce: [0; 16] };
    let refused = admit(&here, None, &BTreeMap::new(), &client, [0; 16]);
    assert!(matches!(refused, Err(Refusal::Founding { .. })));
}

#[test]
fn a_node_with_seeds_waits_to_be_joined_and_never_founds() {
    let waiting = LocalIdentity { seeds: vec![member("a").address], ..local("d", &[]) };
    let decided = |answers: &[(String, Result<Welcome, String>)]| decide(&waiting, &answers.iter().cloned().collect());
    for answers in [vec![], vec![absent("a")], vec![welcome("a", None)]] {
        assert!(matches!(decided(&answers), Ok(Decision::Wait(why)) if why.contains("cluster join host-d:7400")));
    }
    let ours = founded(&["a", "b", "c"], 1);
    let quorum = crate::dynamo::quorum::Quorum::new(3, 2, 2).unwrap();
    let mut metadata = ours.metadata(quorum).unwrap();
    let newcomer = crate::metadata::Enrolled { known: member("d"), log_id: 4 };
    let stage = crate::metadata::RingChange::Stage(crate::metadata::StagedChange::Join(newcomer));
    metadata.apply(1, &crate::metadata::Command::ChangeRing(stage)).unwrap();
    let (_, commit) = metadata.plan().unwrap();
    metadata.apply(2, &crate::metadata::Command::ChangeRing(commit)).unwrap();
    let joined = FoundedCluster { joined: Some(Box::new(metadata)), ..ours };
    assert_eq!(decided(&[welcome("a", Some(joined.clone()))]), Ok(Decision::Join(joined)));
}

#[test]
fn a_node_that_waits_says_who_it_is_to_any_member_and_to_no_client() {
    let waiting = LocalIdentity { seeds: vec![member("a").address], ..local("d", &[]) };
    let ours = founded(&["a", "b", "c"], 1);
    let welcome = admit(&waiting, None, &BTreeMap::new(), &hello(&ours, "b", 7), [0; 16]).unwrap();
    assert_eq!((welcome.member, welcome.founded), (member("d"), None));
    let client = Hello { cluster_name: None, cluster_uuid: None, role: Role::Client, nonce: [0; 16] };
    assert!(matches!(admit(&waiting, None, &BTreeMap::new(), &client, [0; 16]), Err(Refusal::Founding { .. })));
}

#[test]
fn only_a_node_that_is_about_to_belong_to_the_cluster_is_told_all_that_is_agreed_on() {
    let (ours, here) = (founded(&["a", "b", "c"], 1), local("a", &["a", "b", "c"]));
    let metadata = ours.metadata(crate::dynamo::quorum::Quorum::new(3, 2, 2).unwrap()).unwrap();
    let reachable = all();
    let membership =
        Membership { founded: &ours, members: &ours.members, reachable: &reachable, metadata: Some(&metadata) };
    let told = |hello: &Hello| {
        let welcome = admit(&here, Some(membership), &BTreeMap::new(), hello, [0; 16]).unwrap();
        welcome.founded.unwrap().joined.is_some()
    };
    assert!(told(&Hello { cluster_uuid: None, ..hello(&ours, "b", 7) }));
    assert!(!told(&hello(&ours, "b", 7)));
}

/// A node that has left and does not know it, or is cut off, tells nobody who looks for his cluster what it takes for it.
#[test]
fn only_a_member_that_reaches_most_tells_who_belongs_to_the_cluster() {
    let (ours, here) = (founded(&["a", "b", "c", "d"], 1), local("a", &["a", "b", "c", "d"]));
    let come = |reached: &[&str], looks: bool, directory: u64| {
        let reachable = reached.iter().map(|name| NodeId::new(name).unwrap()).collect();
        let membership = Membership { founded: &ours, members: &ours.members, reachable: &reachable, metadata: None };
        let hello = hello(&ours, "d", directory);
        let hello = if looks { Hello { cluster_uuid: None, ..hello } } else { hello };
        admit(&here, Some(membership), &BTreeMap::new(), &hello, [9; 16]).map(|_| ())
    };
    assert_eq!(come(&["a"], true, 7), Err(Refusal::Isolated { reachable: 2, members: 4 }));
    assert_eq!(come(&["a", "b"], true, 7), Ok(()), "three of four: whoever looks is there, too");
    assert_eq!(come(&["a"], false, 7), Ok(()), "whoever knows the cluster may come in: links begin somewhere");
    assert_eq!(come(&["a"], true, 2), Ok(()), "that disk was agreed on, be it just now: a founder begins alone");
}
