from setuptools import setup

setup(name="course-tools", version="1.0", py_modules=["course_tools"])
