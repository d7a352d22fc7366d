CREATE DATABASE prefect OWNER storyreel;
