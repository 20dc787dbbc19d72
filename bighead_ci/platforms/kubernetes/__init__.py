"""Environments on a Kubernetes cluster: what main has rendered is applied, or watched while a controller applies it.

It decides nothing about weights and renders nothing: files come from the commit, weights in force from the Gateway.
"""
