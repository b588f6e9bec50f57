//! How many connections each client has open.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use parking_lot::Mutex;

/// Connections by address, an IPv6 network of 64 bits counting as one: that is what one client is
/// given. Holds an entry for each address that has a connection open, so it is bounded as those are.
#[derive(Debug, Default)]
pub(crate) struct PerAddress(Mutex<HashMap<IpAddr, u32>>);

impl PerAddress {
    /// Takes a place; none when the address has `bound` already.
    pub(crate) fn take(self: &Arc<Self>, address: IpAddr, bound: u32) -> Option<OfAddress> {
        let address = network_of(address);
        let mut counts = self.0.lock();
        let count = counts.entry(address).or_insert(0);
        if *count >= bound {
            return None;
        }
        *count += 1;
        Some(OfAddress {
            counts: Arc::clone(self),
            address,
        })
    }
}

fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
    }
}

/// One connection of an address, until dropped.
#[derive(Debug)]
pub(crate) struct OfAddress {
    counts: Arc<PerAddress>,
    address: IpAddr,
}

impl Drop for OfAddress {
    fn drop(&mut self) {
        let mut counts = self.counts.0.lock();
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_network_has_its_own_bound() {
        let all = Arc::new(PerAddress::default());
        let take = |text: &str| all.take(text.parse().unwrap(), 2);
        let (first, _second) = (take("203.0.113.9").unwrap(), take("::ffff:203.0.113.9"));
        assert!(take("203.0.113.9").is_none());
        let _other = take("203.0.113.10").unwrap();
        drop(first);
        assert!(take("203.0.113.9").is_some(), "and given back at once");
        let _six = (
            take("2001:db8::1").unwrap(),
            take("2001:db8::2:0:0:1").unwrap(),
        );
        assert!(take("2001:db8::3").is_none());
        assert!(take("2001:db8:0:1::3").is_some());
        assert_eq!(all.0.lock().len(), 3);
        drop((_second, _other, _six));
        assert!(all.0.lock().is_empty());
    }
}
