//! What sample listings are made of.

/// One category's things.
pub(super) struct Kind {
    pub(super) category: &'static str,
    pub(super) things: &'static [&'static str],
    pub(super) details: &'static [&'static str],
    /// Least and most, in whole units.
    pub(super) price: (u64, u64),
}

pub(super) const KINDS: [Kind; 11] = [
    Kind {
        category: "bicycles",
        things: &[
            "touring bicycle",
            "city bicycle",
            "mountain bike",
            "gravel bike",
            "folding bicycle",
            "cargo bike",
        ],
        details: &[
            "New chain and cassette, brakes bleed last month.",
            "Hub dynamo, mudguards and a rack that carries two bags.",
            "Wheels run true, the frame has a few scratches.",
        ],
        price: (80, 2400),
    },
    Kind {
        category: "scooters",
        things: &["electric scooter", "kick scooter", "motor scooter"],
        details: &[
            "The battery still goes twenty kilometres.",
            "Folds in seconds and fits under a desk.",
        ],
        price: (40, 1500),
    },
    Kind {
        category: "furniture",
        things: &[
            "oak table",
            "reading chair",
            "bookcase",
            "sofa",
            "writing desk",
            "chest of drawers",
        ],
        details: &[
            "Solid wood, oiled twice a year.",
            "Some marks on top that a cloth would hide.",
            "Comes apart for the stairs.",
        ],
        price: (20, 900),
    },
    Kind {
        category: "kitchen",
        things: &[
            "espresso machine",
            "cast iron pan",
            "stand mixer",
            "knife set",
            "kettle",
        ],
        details: &[
            "Descaled every month.",
            "Sharpened by hand, never seen a dishwasher.",
            "All parts are there, manual too.",
        ],
        price: (10, 600),
    },
    Kind {
        category: "garden",
        things: &[
            "lawn mower",
            "hedge trimmer",
            "wheelbarrow",
            "greenhouse",
            "garden bench",
        ],
        details: &[
            "Starts at the first pull.",
            "Stood under a roof every winter.",
        ],
        price: (15, 700),
    },
    Kind {
        category: "phones",
        things: &["smartphone", "rugged phone", "foldable phone"],
        details: &[
            "No scratches on the glass, battery at ninety percent.",
            "Unlocked, with box and cable.",
        ],
        price: (50, 1100),
    },
    Kind {
        category: "laptops",
        things: &["laptop", "ultrabook", "workstation laptop", "convertible"],
        details: &[
            "Sixteen gigabytes of memory and a fresh install.",
            "Keyboard replaced last year, fans are quiet.",
        ],
        price: (150, 2600),
    },
    Kind {
        category: "cameras",
        things: &[
            "mirrorless camera",
            "film camera",
            "compact camera",
            "prime lens",
            "tripod",
        ],
        details: &[
            "Shutter count below ten thousand.",
            "Light seals replaced, meter is accurate.",
            "Glass is clean, no fungus, no dust.",
        ],
        price: (40, 2200),
    },
    Kind {
        category: "books",
        things: &[
            "atlas",
            "cookbook",
            "novel collection",
            "children's book set",
            "encyclopedia",
        ],
        details: &[
            "Read once, no notes in the margins.",
            "First edition, the spine is a little faded.",
        ],
        price: (3, 120),
    },
    Kind {
        category: "instruments",
        things: &[
            "acoustic guitar",
            "digital piano",
            "violin",
            "trumpet",
            "drum kit",
        ],
        details: &[
            "New strings, low action, stays in tune.",
            "Played by an adult beginner, always in its case.",
        ],
        price: (60, 1900),
    },
    Kind {
        category: "camping",
        things: &[
            "tent",
            "sleeping bag",
            "camping stove",
            "backpack",
            "hammock",
        ],
        details: &[
            "Waterproof, seams taped again this spring.",
            "Two seasons old, dry and clean.",
        ],
        price: (12, 480),
    },
];

pub(super) const ADJECTIVES: [&str; 10] = [
    "Well-kept",
    "Vintage",
    "Light",
    "Sturdy",
    "Barely used",
    "Restored",
    "Compact",
    "Handmade",
    "Reliable",
    "Classic",
];

pub(super) const COLORS: [&str; 9] = [
    "red", "blue", "green", "black", "white", "silver", "yellow", "grey", "orange",
];

pub(super) const BRANDS: [&str; 16] = [
    "Alder",
    "Brightwater",
    "Corvid",
    "Dunmore",
    "Eastlake",
    "Fjell",
    "Granite",
    "Halden",
    "Iris",
    "Juniper",
    "Kestrel",
    "Lumen",
    "Marram",
    "Northway",
    "Osprey",
    "Pinewood",
];

pub(super) const CONDITIONS: [&str; 4] = ["new", "like_new", "good", "worn"];

pub(super) const OPENINGS: [&str; 6] = [
    "Selling because we move.",
    "It served us well and wants to be used again.",
    "A present that found no use.",
    "We bought a bigger one.",
    "From a home without smokers or pets.",
    "Found while clearing the attic.",
];

pub(super) const CLOSINGS: [&str; 5] = [
    "Pick it up in the evening, or I send it.",
    "Ask for more pictures.",
    "The price is fixed.",
    "Offers are welcome.",
    "Cash or transfer, as you like.",
];
