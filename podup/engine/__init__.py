"""From intent to finished task: submit, dispatch, run, settle, take back, recover."""
