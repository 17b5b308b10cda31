"""Cursor pagination: pages stay stable while rows are added, and deep pages cost what the first one costs."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from rest_framework.exceptions import NotFound
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.views import APIView


class CursorPages(CursorPagination):
    """Pages of 50, or of `limit` up to 500. A view names its order in `page_ordering`; it has an index."""

    page_size_query_param = "limit"
    page_size_query_description = "How many results a page has, at most 500."
    cursor_query_description = "Where the page starts: follow `next` and `previous`."
    invalid_cursor_message = "This cursor is not valid. Start again without one, and follow `next`."
    max_page_size = 500

    def get_ordering(self, request: Request, queryset: QuerySet[Any], view: Any) -> tuple[str, ...]:
        return tuple(getattr(view, "page_ordering", ("id",)))

    def paginate_queryset(self, queryset: Any, request: Request, view: APIView | None = None) -> Any:
        """The rows of the page; a cursor that was made up is not found, whatever it holds."""
        try:
            return super().paginate_queryset(queryset, request, view)
        except (ValueError, ValidationError):
            raise NotFound(self.invalid_cursor_message) from None
