"""Opens the sealed faces of a search.

Shapes: embeddings (d,) float32 of the search's pack.
"""

from __future__ import annotations

import numpy as np

from accounts import vault
from cameras.models import PhotoSearch, SearchFace, searched_face_bind, searched_picture_bind
from recognition.engine import Embedding


def embedding_of(search: PhotoSearch, face: SearchFace) -> Embedding:
    """The embedding of a searched face. Raises VaultError."""
    bind = searched_face_bind(search.pk, face.number, search.pack)
    return np.frombuffer(vault.unseal(search.scope, face.sealed, bind=bind), "<f4").astype(np.float32)


def picture_of(search: PhotoSearch, face: SearchFace) -> bytes:
    """The small JPEG of a searched face. Raises VaultError."""
    return vault.unseal(search.scope, face.sealed_picture, bind=searched_picture_bind(search.pk, face.number))
