//! Who founds, who joins, who is let in: the decisions, without a network.

use std::collections::BTreeMap;

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

fn local(name: &str, seeds: &[&str]) -> LocalIdentity {
    LocalIdentity {
        member: member(name),
        directory: 1,
        cluster_name: "slipring".to_owned(),
        seeds: seeds.iter().map(|seed| member(seed).address).collect(),
        partitions: 16,
        n: 3,
    }
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
    assert!(matches!(check_founded(&local("a", &["a", "b"]), &known), Err(FoundingError::OtherMembers { .. })));
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
        let membership = Membership { founded: &ours, members: &ours.members };
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
    let members = [member("a"), member("b"), member("d")];
    let membership = Membership { founded: &ours, members: &members };
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
