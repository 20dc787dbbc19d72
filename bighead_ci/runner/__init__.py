"""The duties that a forge's workflows and a cluster's controllers do elsewhere, on one machine.

Each duty looks at what main, pull requests and platforms are now, never at what happened; so a runner can be killed and
started again at any time. It has no judgement of its own: it runs the verbs of `delivery`, and knows when to try again.
"""
