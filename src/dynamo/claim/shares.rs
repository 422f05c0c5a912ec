//! How many partitions each member shall own: its weight's share, as far as the spacing bears it.

use std::ops::Range;

/// One partition: volumes are counted in units of 2^-20 of it.
pub(super) const ONE: u128 = 1 << 20;
/// The scale of the water level: partitions per unit of weight.
const LEVEL_SCALE: u128 = 1 << 52;

/// What one member may own: its exact share lies between the two, which differ by at most one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Share {
    /// The share rounded down.
    pub(super) least: usize,
    /// The share rounded up.
    pub(super) most: usize,
}

/// A zone and what it can bear, as volumes.
pub(super) struct ZoneLimit {
    /// The weights of its members.
    pub(super) weights: Vec<u32>,
    /// What one of its members can bear.
    pub(super) per_member: u128,
    /// What the zone can bear in all.
    pub(super) in_all: u128,
}

/// The share of each zone and, within it, of each member, for `partitions` partitions.
///
/// Water poured into vessels that are joined: every member rises with its weight until it, or its zone, is full.
pub(super) fn shares(zones: &[ZoneLimit], partitions: usize) -> Vec<(Share, Vec<Share>)> {
    let wanted = partitions as u128 * ONE;
    let level = lowest_level(wanted, |level| zones.iter().map(|zone| zone_volume(zone, level)).sum());
    zones
        .iter()
        .map(|zone| {
            let volume = zone_volume(zone, level);
            let own_level = lowest_level(volume, |level| members_volume(zone, level)).min(level);
            let members = zone.weights.iter().map(|&weight| rounded(member_volume(zone, weight, own_level))).collect();
            (rounded(volume), members)
        })
        .collect()
}

fn member_volume(zone: &ZoneLimit, weight: u32, level: u128) -> u128 {
    (u128::from(weight) * level * ONE / LEVEL_SCALE).min(zone.per_member)
}

fn members_volume(zone: &ZoneLimit, level: u128) -> u128 {
    zone.weights.iter().map(|&weight| member_volume(zone, weight, level)).sum()
}

fn zone_volume(zone: &ZoneLimit, level: u128) -> u128 {
    members_volume(zone, level).min(zone.in_all)
}

/// The lowest level at which the vessels hold what is wanted, or the highest there is if they cannot.
fn lowest_level(wanted: u128, volume_at: impl Fn(u128) -> u128) -> u128 {
    // A weight of 1 and 2^17 partitions need no more; with the greatest weight the product stays within 128 bits.
    let mut levels: Range<u128> = 0..LEVEL_SCALE << 17;
    while levels.start < levels.end {
        let middle = (levels.start + levels.end) / 2;
        if volume_at(middle) < wanted {
            levels.start = middle + 1;
        } else {
            levels.end = middle;
        }
    }
    levels.start
}

/// Rounds down and up; what is next to a whole is whole, for the level is not exact.
///
/// The slack is so small that even for [`MAX_MEMBERS`](crate::dynamo::ring::MAX_MEMBERS) it adds up to less than one.
fn rounded(volume: u128) -> Share {
    let slack = ONE / 4096;
    Share { least: ((volume + slack) / ONE) as usize, most: ((volume + ONE - 1).saturating_sub(slack) / ONE) as usize }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(weights: &[u32], per_member: u128, in_all: u128) -> ZoneLimit {
        ZoneLimit { weights: weights.to_vec(), per_member: per_member * ONE, in_all: in_all * ONE }
    }

    fn whole(count: usize) -> Share {
        Share { least: count, most: count }
    }

    #[test]
    fn shares_follow_the_weights() {
        let free = [zone(&[1], 64, 64), zone(&[2], 64, 64), zone(&[5], 64, 64)];
        let found: Vec<Share> = shares(&free, 64).into_iter().map(|(zone, _)| zone).collect();
        assert_eq!(found, [whole(8), whole(16), whole(40)]);
    }

    #[test]
    fn what_a_full_member_cannot_take_goes_to_the_others_by_weight() {
        let heavy = [zone(&[100], 20, 64), zone(&[1], 20, 64), zone(&[1, 2], 30, 64)];
        let found = shares(&heavy, 64);
        assert_eq!(found[0].1, [whole(20)]);
        assert_eq!(found[1].1, [whole(11)]);
        assert_eq!(found[2].1, [whole(11), whole(22)]);
    }

    #[test]
    fn a_full_zone_divides_what_it_has_among_its_members() {
        let crowded = [zone(&[1, 1, 1, 1], 32, 32), zone(&[1], 32, 32)];
        let found = shares(&crowded, 64);
        assert_eq!(found[0], (whole(32), vec![whole(8); 4]));
        assert_eq!(found[1], (whole(32), vec![whole(32)]));
    }

    #[test]
    fn a_broken_share_is_rounded_to_both_sides() {
        let thirds = [zone(&[7], 9, 9), zone(&[7], 9, 9), zone(&[7], 9, 9)];
        for (share, _) in shares(&thirds, 8) {
            assert_eq!(share, Share { least: 2, most: 3 });
        }
    }

    #[test]
    fn extreme_weights_do_not_overflow() {
        let skewed = [zone(&[u32::MAX], 1 << 16, 1 << 16), zone(&[1], 1 << 16, 1 << 16)];
        let found = shares(&skewed, 1 << 16);
        assert!(found[0].0.most == 1 << 16 && found[1].0.most <= 1, "{:?}", found[0].0);
    }
}
