"""One module a verb: check, build, promote, advance, rollback, reconcile, deliver, status, history, trace.

Verbs reach outside systems through `Context` only. They are safe to repeat and to be killed in: what they leave
half-done is either invisible or found and finished by the next call.
"""
