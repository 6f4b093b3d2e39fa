"""What each kind of task wants: pure recipes made of the five verbs, one file a kind."""
