use super::Malformed;

/// A name in a folder; both may be any bytes but NUL, as Linux allows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Place {
    /// Below the share's root, without slashes at its ends; empty for the root.
    pub dir: Vec<u8>,
    /// Without slashes; empty for the folder itself.
    pub name: Vec<u8>,
}

/// What happened to a file, a folder or a symbolic link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEvent {
    /// What.
    pub kind: FileEventKind,
    /// Where; empty for [`FileEventKind::Overflow`].
    pub at: Place,
    /// Whether it is a folder.
    pub is_dir: bool,
    /// Whether a created name is not its inode's only one.
    pub linked: bool,
}

/// The kinds of events. Self-events are of a watched folder, and have no name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileEventKind {
    /// A name was made.
    Create,
    /// Content was written or cut off.
    Modify,
    /// A file that was open for writing was closed.
    CloseWrite,
    /// Attributes changed; without a name those of the folder itself.
    Attrib,
    /// A name was removed.
    Delete,
    /// It was renamed to where nobody watches.
    MovedFrom,
    /// It was renamed from where nobody watches.
    MovedTo,
    /// It was renamed to here.
    Moved(Place),
    /// The folder was deleted.
    DeleteSelf,
    /// The folder was renamed.
    MoveSelf,
    /// Events of the share were lost.
    Overflow,
}

const IS_DIR: u8 = 1;
const LINKED: u8 = 2;
const LONGEST_NAME: usize = 255;
const LONGEST_DIR: usize = 4095;

impl FileEvent {
    /// An event of what is no folder.
    pub fn new(kind: FileEventKind, at: Place) -> Self {
        Self {
            kind,
            at,
            is_dir: false,
            linked: false,
        }
    }

    /// How many bytes the record has.
    pub fn encoded_len(&self) -> usize {
        let to = self.target().map_or(0, Place::len);
        14 + self.at.len() + to
    }

    fn target(&self) -> Option<&Place> {
        match &self.kind {
            FileEventKind::Moved(to) => Some(to),
            _ => None,
        }
    }

    pub(super) fn encode(&self, bytes: &mut Vec<u8>) {
        let none = Place::default();
        let to = self.target().unwrap_or(&none);
        bytes.push(self.kind.code());
        bytes.push(u8::from(self.is_dir) * IS_DIR + u8::from(self.linked) * LINKED);
        let strings = [&self.at.dir, &self.at.name, &to.dir, &to.name];
        for string in strings {
            bytes.extend((string.len() as u16).to_le_bytes());
        }
        for string in strings {
            bytes.extend(string);
            bytes.push(0);
        }
    }

    pub(super) fn decode(input: &mut Input<'_>) -> Result<Self, Malformed> {
        let [code, flags] = input.array()?;
        let mut lengths = [0; 4];
        for length in &mut lengths {
            *length = usize::from(u16::from_le_bytes(input.array()?));
        }
        let mut strings = lengths.iter().map(|length| input.string(*length));
        let mut place = || -> Result<Place, Malformed> {
            let mut next = || strings.next().unwrap_or(Ok(Vec::new()));
            let place = Place {
                dir: next()?,
                name: next()?,
            };
            place.check().map(|()| place)
        };
        let (at, to) = (place()?, place()?);
        let kind = FileEventKind::of(code, to)?;
        let named = !at.name.is_empty();
        let fits = match kind {
            FileEventKind::Attrib => true,
            FileEventKind::DeleteSelf | FileEventKind::MoveSelf => !named,
            FileEventKind::Overflow => !named && at.dir.is_empty(),
            _ => named,
        };
        if !fits || flags & !(IS_DIR | LINKED) != 0 {
            return Err(Malformed("names or flags that the kind does not have"));
        }
        Ok(Self {
            kind,
            at,
            is_dir: flags & IS_DIR != 0,
            linked: flags & LINKED != 0,
        })
    }
}

impl FileEventKind {
    fn code(&self) -> u8 {
        match self {
            Self::Create => 1,
            Self::Modify => 2,
            Self::CloseWrite => 3,
            Self::Attrib => 4,
            Self::Delete => 5,
            Self::MovedFrom => 6,
            Self::MovedTo => 7,
            Self::Moved(_) => 8,
            Self::DeleteSelf => 9,
            Self::MoveSelf => 10,
            Self::Overflow => 11,
        }
    }

    fn of(code: u8, to: Place) -> Result<Self, Malformed> {
        if code == 8 && !to.name.is_empty() {
            return Ok(Self::Moved(to));
        }
        if to != Place::default() {
            return Err(Malformed("a target without a rename"));
        }
        Ok(match code {
            1 => Self::Create,
            2 => Self::Modify,
            3 => Self::CloseWrite,
            4 => Self::Attrib,
            5 => Self::Delete,
            6 => Self::MovedFrom,
            7 => Self::MovedTo,
            9 => Self::DeleteSelf,
            10 => Self::MoveSelf,
            11 => Self::Overflow,
            _ => return Err(Malformed("an unknown kind")),
        })
    }
}

impl Place {
    /// Names below the root, no name with a slash in it or with a meaning of its own.
    fn check(&self) -> Result<(), Malformed> {
        let good = |part: &[u8]| {
            !part.is_empty() && part.len() <= LONGEST_NAME && part != b"." && part != b".."
        };
        let dir = self.dir.is_empty() || self.dir.split(|byte| *byte == b'/').all(good);
        let name = self.name.is_empty() || (good(&self.name) && !self.name.contains(&b'/'));
        match dir && name && self.dir.len() <= LONGEST_DIR {
            true => Ok(()),
            false => Err(Malformed("a path that is none")),
        }
    }

    fn len(&self) -> usize {
        self.dir.len() + self.name.len()
    }
}

/// What is left to be decoded.
pub(super) struct Input<'a>(pub(super) &'a [u8]);

impl<'a> Input<'a> {
    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self
            .0
            .split_at_checked(length)
            .ok_or(Malformed("it ends too early"))?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let taken = self.take(N)?;
        taken.try_into().map_err(|_| Malformed("it ends too early"))
    }

    fn string(&mut self, length: usize) -> Result<Vec<u8>, Malformed> {
        let text = self.take(length)?;
        match self.take(1)? == [0] && !text.contains(&0) {
            true => Ok(text.to_vec()),
            false => Err(Malformed("a NUL in a name, or none after it")),
        }
    }
}
