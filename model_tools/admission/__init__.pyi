from .gate import admit as admit
from .machine import fingerprint as fingerprint
