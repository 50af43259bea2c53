"""The program that brings new course files into a student's folder and never loses work.

Three trees: the upstream tree of the last pull (base), the student's files, the new upstream.
Runs inside the session as the student. Standard library and git only, Python 3.8 or newer, and
nothing of the launcher: it is shipped as a zip into images that know nothing of us.
"""
